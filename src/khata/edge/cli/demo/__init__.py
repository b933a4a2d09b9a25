"""`khata demo`: a marketplace day, played on a real book and explained as it goes.

`play` is the command, `stage` what is seen, `morning` and `evening` the story, `proof` its end:
the book is verified, run again, and then tampered with to see that it is noticed.
"""
