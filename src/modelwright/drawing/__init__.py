"""Pages and charts for reports: pure Python, escaped by construction, one file that loads nothing.

:mod:`modelwright.drawing.page` makes HTML, :mod:`modelwright.drawing.chart` makes inline SVG.
"""
