"""The one kind of failure that a person at the keyboard should see as a sentence instead of a traceback."""


class Trouble(Exception):
    """One clear sentence about what is wrong (`problem`) and one about what to do (`remedy`)."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy
