"""What this project costs, beside others where there are others, and how exact it is.

`make bench` measures these parts, and writes docs/performance.md (`make bench-quick`: once each, in
minutes, nothing written); one alone is `python -m benchmarks --only speed`:

    speed        training and evaluation beside the article's loop (article.py)
    profile      where a training step's time goes
    lightning    an epoch with its evaluation and its average, beside Lightning's
    points       a run until its first step, and a point of a sweep that trains nothing
    faults       page faults and time of steps, under both allocators
    memory       what loading, averaging and recording take at most
    growth       records, maps and lists by their size
    parallel     a sweep in one process and in two

By themselves, for what other pages of docs/ give; they print:

    python -m benchmarks.cases training           one case of `speed`, in seconds
    python -m benchmarks.averaging                exactness of means, and of step means
    python -m benchmarks.batch_norm               exactness and time of refreshed statistics
    python -m benchmarks.ema                      EMAs of recordings beside live ones, and EDM2's
    python -m benchmarks.recording cost           step means while training
    python -m benchmarks.recording own            `polyak.Recorder` in a plain loop
    python -m benchmarks.beside_lightning         callbacks in Lightning's Trainer
    python -m benchmarks.written                  what an epoch writes and hashes
    python -m benchmarks.sharded                  averages of sharded checkpoints of 1 GB
    python -m benchmarks.hugging_face --files DIR   a vision transformer, trained and reported
    python -m benchmarks.statistics               how often the analysis is right, simulated

All that measures goes by measure.py (turns, processes, time, memory) and table.py (medians,
tables); subject.py is what is measured, page.py the page.
"""
