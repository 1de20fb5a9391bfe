"""Kernel times from measured tables: read them, interpolate in them, and put a transformer layer together.

`tables` finds rows, `curves` interpolates in them and `roofs` extends them; `dense`, `attention`, `experts` and
`exchange` answer for one operation, `layer` for all operations of a layer and `spread` for what is not known about
them.
"""
