"""The load shapes of `protei-bulk load`: users over time, in straight lines between corners.

They are in a module of their own because Locust runs every test with the first shape that it
finds in a locustfile; here --shape chooses one.
"""

from locust import LoadTestShape

SHAPES = {
    "GradualRampUp": [(0, 0), (60, 100), (120, 500), (180, 1000), (240, 2000), (300, 5000), (360, 5000), (420, 0)],
    "Spike": [(0, 0), (10, 500), (60, 500), (65, 5000), (125, 5000), (130, 500), (190, 500), (200, 0)],
    "Step": [(0, 0)] + [c for i in range(1, 11) for c in ((30 * i - 28, 100 * i), (30 * i, 100 * i))] + [(310, 0)],
    "Soak": [(0, 0), (60, 1000), (7140, 1000), (7200, 0)],
}


class Stages(LoadTestShape):
    """Goes from corner to corner, (second, users), and ends at the last one; peak scales it."""

    def __init__(self, corners, peak=None):
        super().__init__()
        highest = max(users for _, users in corners)
        self.corners = [(at, users * (peak or highest) / highest) for at, users in corners]
        self.users = 0

    def at(self, second):
        """The users at that second; None at the end and after it."""
        for (t0, u0), (t1, u1) in zip(self.corners, self.corners[1:]):
            if second < t1:
                return round(u0 + (u1 - u0) * (second - t0) / (t1 - t0))
        return None

    def tick(self):
        users = self.at(self.get_run_time())
        if users is None:
            self.users = 0
            return None
        # The rate is the difference, so that they are there before the next tick.
        rate = max(1, abs(users - self.users))
        self.users = users
        return users, rate
