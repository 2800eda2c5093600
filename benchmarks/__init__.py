"""Times of our methods beside those of the peer, on one machine in one run: `make bench`.

Convention:
    * A benchmark is a function `test_ours…` or `test_peer…` that takes the fixture `benchmark` and carries
      `@pytest.mark.benchmark(group=…)`, the group being a row of `rows.ROWS`. Both of a row get the same input.
    * A call that does the work of several (hands, pictures) says so: `benchmark.extra_info['items'] = 1000`; the table
      shows times of one. What else must be known, such as the accuracy both reach: `benchmark.extra_info['note']`.
    * Variants of a row are parameters, `test_ours[float64]`; each is compared with the peer of the same name, or with
      the only one.
    * The peer is our own plain rewriting of the published method, in `baselines/`: slow on purpose, never imported by
      the product, free of the faults that would make it fail.
    * One thread, fixed seeds. `make bench` counts the processor's time, not the clock's: what an idle core would need,
      however many other programs share this one. They still share its caches, so single times are upper bounds; what
      counts are ratios of medians. Work of two threads goes by the clock, in groups that say so, and suffers from
      other programs as its peer does.
"""
