/**
 * How a figure grows: the exponent of the power law that fits best. 0 does not grow, 1 is proportional.
 */
export function exponent(points: readonly { x: number; y: number }[]): number {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))
  const mean = (of: (point: { x: number; y: number }) => number): number =>
    logs.reduce((sum, point) => sum + of(point), 0) / logs.length
  const [x, y] = [mean((it) => it.x), mean((it) => it.y)]
  return mean((it) => (it.x - x) * (it.y - y)) / mean((it) => (it.x - x) ** 2)
}
