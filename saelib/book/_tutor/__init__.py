"""What `saelib.book.tutor` is made of.

`networks` and `codes` are the tables: each has the inputs, the formulas with the mistakes that are made in them, and
the kinds of functions that are marked; a new kind touches one of them.  `kinds` reads the tables, `backward` makes the
kind of any net's backward pass, `calls` runs a learner's function, `answers` compares what comes out, and `complaints`
says what is the matter where no mistake is known by name.
"""
