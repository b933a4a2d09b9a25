"""Words that every other room uses: money, units, time, identifiers, actors, pages."""
