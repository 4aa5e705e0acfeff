"""How well a rental does, in one word, as its phases and its provider's last looks tell it."""

from gpubroker.rentals.rental import Member, MemberPhase, Phase, Rental


def member_health(member: Member) -> str:
    """healthy, unreachable (its provider did not know it at the last look), starting, ending, lost or ended."""
    match member.phase:
        case MemberPhase.READY:
            return "unreachable" if member.misses else "healthy"
        case MemberPhase.PLANNED | MemberPhase.CREATING:
            return "starting"
        case MemberPhase.LOST:
            return "lost"
        case MemberPhase.ENDING:
            return "ending"
        case _:
            return "ended"


def health_of(rental: Rental) -> str:
    """Of the whole: healthy, degraded (some of it is not), starting, unhealthy (none of it is), ending or ended."""
    if rental.phase.over:
        return "ended"
    if rental.phase in (Phase.ENDING, Phase.UNDOING):
        return "ending"
    healths = {member_health(member) for member in rental.members if not member.replaced_by} - {"ended", "ending"}
    if healths == {"healthy"}:
        return "healthy"
    if "healthy" in healths:
        return "degraded"
    return "starting" if "starting" in healths and not healths & {"lost", "unreachable"} else "unhealthy"
