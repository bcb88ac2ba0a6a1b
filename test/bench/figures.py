"""Which figure of a result is compared, and how rounds are: shared by `run` and `report`."""

import statistics

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


def ratio(rounds, others):
    """The median of the ratios round by round: what disturbs the machine disturbs both."""
    pairs = [figure(rounds[i]) / figure(others[i])
             for i in rounds if i in others and figure(others[i]) > 0]
    return statistics.median(pairs) if pairs else None


def cells_of(results):
    """Results by row and client, in order, and there by round."""
    cells = {}
    for r in results:
        cells.setdefault((r["row"], r["client"]), {})[r["round"]] = r
    return cells
