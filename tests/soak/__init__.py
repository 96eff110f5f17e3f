"""Hours, or minutes, of everything at once through one Interlock, and what is left of it in the end: nothing."""
