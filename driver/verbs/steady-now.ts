/**
 * The time of day when this process began, and what has passed since then. For what Docker has under way: a
 * step of the system's clock (NTP at boot, a machine that resumes) ends no call.
 */
export function steadyNow(): Date {
  return new Date(performance.timeOrigin + performance.now())
}
