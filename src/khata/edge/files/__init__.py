"""Files in and out: operations and opening balances, statements, the journal, Beancount."""
