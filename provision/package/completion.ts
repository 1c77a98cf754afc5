/**
 * Completion of `multihost` for bash and zsh, from the same table. Words that are no option are the path in
 * the table. Pure.
 */
import type { Completions } from './help.ts'

export function bashCompletion(completions: Completions): string {
  return `# bash completion for multihost(8)
_multihost() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' words word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || path+="\${path:+ }$word"
  done
  case $path in
${cases(completions, (words) => `words='${words.join(' ')}'`)}
    *) return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ \${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}
complete -F _multihost multihost
`
}

export function zshCompletion(completions: Completions): string {
  return `#compdef multihost
local word typed=() offered=()
for word in "\${(@)words[2,CURRENT-1]}"; do
  [[ $word == -* ]] || typed+=("$word")
done
case "$typed" in
${cases(completions, (words) => `offered=(${words.join(' ')})`)}
esac
compadd -S '' -- \${(M)offered:#*=}
compadd -- \${offered:#*=}
`
}

function cases(completions: Completions, assignment: (words: string[]) => string): string {
  return [...completions].map(([path, words]) => `    ${pattern(path)}) ${assignment(words)} ;;`).join('\n')
}

/** The store, which bash splits at its colons, is no part of a path. */
function pattern(path: string): string {
  return /^(doctor|join)$/.test(path) ? `'${path}' | '${path} '*` : `'${path}'`
}
