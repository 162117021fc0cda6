"""What the benchmarks share: the site, its server, the programs that are measured, the stopwatch, the figures."""
