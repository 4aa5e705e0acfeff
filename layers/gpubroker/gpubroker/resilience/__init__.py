"""What keeps one slow or broken neighbour from becoming everyone's problem: pure rules, and the state they share."""
