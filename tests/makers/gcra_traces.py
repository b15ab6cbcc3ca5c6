"""Timed traces of throttled-py's token bucket (GCRA), with the clock in our hands: a JSON line for each trace.

Usage: python gcra_traces.py OUT_FILE
"""

import json
import random
import sys

from throttled import RateLimiterRegistry, rate_limiter, store, utils
from throttled.rate_limiter import per_duration
from datetime import timedelta

TRACES = 40
STEPS = 50


def main(out_file):
    clock = [0.0]
    utils.now_mono_f = lambda: clock[0]
    rng = random.Random(20261128)
    with open(out_file, "w", encoding="utf-8") as out:
        for number in range(TRACES):
            limit = rng.choice([1, 2, 3, 7, 10, 60, 100, 1000])
            per_s = rng.choice([1, 2, 10, 60, 3600])
            burst = rng.choice([1, 2, 5, 10, 50])
            quota = per_duration(timedelta(seconds=per_s), limit, burst=burst)
            limiter = RateLimiterRegistry.get("gcra")(quota, store.MemoryStore())
            interval = per_s / limit
            clock[0] = 1000.0
            steps = []
            for _ in range(STEPS):
                # Off the boundaries of the interval, where floating-point numbers and integers may decide differently.
                clock[0] = round(clock[0] + rng.choice([0, 0.317, 0.613, 1.37, burst * 1.1]) * interval, 6)
                cost = rng.choice([1, 1, 1, 2, burst, burst + 1])
                result = limiter.limit(f"trace-{number}", cost)
                state = result.state
                steps.append([
                    round(clock[0] - 1000.0, 6),
                    cost,
                    result.limited,
                    state.remaining,
                    round(state.reset_after, 6),
                    round(state.retry_after, 6),
                ])
            out.write(json.dumps({"limit": limit, "per_s": per_s, "burst": burst, "steps": steps}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
