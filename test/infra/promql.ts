/**
 * Names of what a PromQL expression asks for, as far as our own alerts and dashboards write it: identifiers that are no
 * function, no keyword and no label.
 */
export function metricsIn(expr: string): readonly string[] {
  const bare = expr
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '')
    .replaceAll(/\boffset\s+\w+/g, '')
  const names = [...bare.matchAll(/\b([a-zA-Z_:][\w:]*)\b(?!\s*\()/g)].map(match => match[1] ?? '')
  return names.filter(name => !keywords.has(name))
}

const keywords = new Set(['and', 'or', 'unless', 'bool'])

/** Labels that an expression names of each metric, in its braces. */
export function* matchersIn(expr: string): Generator<{ readonly metric: string; readonly label: string }> {
  for (const [, metric = '', braces = ''] of expr.matchAll(/([\w:]+)\{([^}]*)\}/g)) {
    for (const [, label = ''] of braces.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)) yield { metric, label }
  }
}

/** The metric that a series belongs to: a histogram has three kinds of them. */
export const metricOf = (series: string): string => series.replace(/_(?:bucket|sum|count)$/, '')
