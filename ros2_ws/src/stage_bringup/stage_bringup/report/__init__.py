"""The report of a demo or evaluation: figures, charts, video and one self-contained HTML page.

Start at `write.py`; `content.py` says what a report holds and `page.py` how it looks.
"""
