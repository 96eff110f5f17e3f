"""One rule, two files: the code and its page.  ``base`` says what a rule is."""
