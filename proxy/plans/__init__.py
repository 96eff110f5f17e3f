"""Plans: data, made of SQL, that reach the author's schema without blocking the application.

``step``     statements run together, with the lock they take, why, and how to tell that they are done or take them back
``plan``     steps in order
``rewrite``  a plan for one node: a whole statement, or one action of an ALTER TABLE (``compose`` joins those)
``target``   a relation as generated SQL writes it
"""
