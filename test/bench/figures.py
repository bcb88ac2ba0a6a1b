"""Which figure of a result is compared, and how rounds are: shared by `run` and `report`."""

import statistics

# what mqev is to reach: the row, which figure of it ("-": the row's own), at most so much, and at most so
# much of libmosquitto's
GOALS = """
pub-q0-16B           -                0.08   0.05
pub-q0-256B          -                0.15   0.05
pub-q0-64K           -                -      1
pub-q1-256B-w20      -                -      0.5
pub-q1-256B-w100     -                0.7    0.143
pub-q1-256B-w1000    -                0.3    0.05
pub-q1-64K-w20       -                -      0.75
pub-q2-256B-w20      -                -      0.5
pub-q2-256B-w100     -                -      0.143
pub-q2-256B-w1000    -                -      0.05
sub-q0-256B          -                0.1    0.05
sub-q1-256B          -                0.15   0.0333
sub-q2-256B          -                0.25   0.0333
sub-q0-64K           -                -      0.9
tls-pub-q0-256B      -                0.35   0.0833
tls-sub-q0-256B      -                0.22   0.4
tls-pub-q0-64K       -                -      1.05
tls-sub-q0-64K       -                -      1.05
rtt-q1               p50_us           -      1.05
conn-c1k             -                -      1
conn-c10k            -                -      1
tls-conn-c1k         -                -      0.75
storm-c1k            -                -      1
storm-c10k           -                -      1
tls-storm-c1k        -                -      0.4
idle-c10k            -                1      -
idle-c10k-parked     -                1      -
conn-c10k            bytes_per_client 1350   -
conn-c10k-parked     bytes_per_client 800    -
tls-conn-c1k         bytes_per_client 40000  -
tls-conn-c10k        bytes_per_client 34000  -
"""
# of a message's instructions: the row, that which it is compared with, at most so many times as much
INSTRUCTION_GOALS = (
    ("pub-q1-256B-w100-c1k", "pub-q1-256B-w100", 1.1),
    ("pub-q1-256B-w100-c10k", "pub-q1-256B-w100", 1.1),
    ("sub-q1-256B-c1k", "sub-q1-256B", 1.1),
    ("sub-q1-256B-c10k", "sub-q1-256B", 1.1),
    ("pub-q1-256B-w100-v5", "pub-q1-256B-w100", 1.15),
    ("sub-q1-256B-v5", "sub-q1-256B", 1.15),
)
UNITS = {"conn": "us CPU/client", "storm": "us CPU/client", "idle": "% of a core"}


def figure(result):
    """The one figure by which clients are compared in a row; UNITS has its unit."""
    if result["scenario"] == "conn":
        return result["connect_cpu_us_per_client"]
    if result["scenario"] == "storm":
        return result["cpu_s"] * 1e6 / result["clients"]
    if result["scenario"] == "idle":
        return result["cpu_share"] * 100
    return result["cpu_s_per_mmsg"]


def value_of(result, key=None):
    return result.get(key) if key else figure(result)


def ratio(rounds, others, key=None):
    """The median of the ratios round by round: what disturbs the machine disturbs both."""
    pairs = [value_of(rounds[i], key) / value_of(others[i], key)
             for i in rounds if i in others and value_of(others[i], key)]
    return statistics.median(pairs) if pairs else None


def goals():
    """(row, key or None, limit or None, limit of the ratio or None) of each goal."""
    for line in GOALS.split("\n"):
        if line:
            row, *rest = line.split()
            yield (row, None if rest[0] == "-" else rest[0],
                   *(None if text == "-" else float(text) for text in rest[1:]))


def cells_of(results):
    """Results by row and client, in order, and there by round."""
    cells = {}
    for r in results:
        cells.setdefault((r["row"], r["client"]), {})[r["round"]] = r
    return cells
