// What the code of a tool finds, and how it is run. Nothing here guards anything: the process around it does.
(() => {
  const { parse, stringify } = JSON
  const AsyncFunction = (async () => {}).constructor
  const MAX_LOG_CHARS = 4000
  const MAX_ERROR_CHARS = 1000
  // The code begins so far down that its lines are told from those of this file; two of them the engine puts there.
  const LINES_ABOVE = 1000
  const ABOVE = "\n".repeat(LINES_ABOVE - 2)
  let log = ""
  let answer = null

  const shown = (value) => {
    if (typeof value === "string") return value
    try {
      return String(value instanceof Error ? value : (stringify(value) ?? value))
    } catch {
      return "something that cannot be shown"
    }
  }
  const write = (...values) => {
    if (log.length < MAX_LOG_CHARS) log = (log + values.map(shown).join(" ") + "\n").slice(0, MAX_LOG_CHARS)
  }
  const lineOf = (error) => {
    try {
      const line = error instanceof Error ? /<input>:(\d{4,})/.exec(error.stack)?.[1] - LINES_ABOVE : 0
      return line > 0 ? ` (line ${line})` : ""
    } catch {
      return ""
    }
  }

  const failed = (error) => stringify({ error: error.toWellFormed(), log: log.toWellFormed() })

  globalThis.console = { log: write, info: write, debug: write, warn: write, error: write }
  globalThis.fetch = async () => {
    throw new Error("code has no network here; a custom tool can ask a server")
  }

  const run = async (request) => {
    try {
      const { code, dv, metadata } = parse(request)
      const value = await new AsyncFunction("dv", "metadata", ABOVE + code)(dv, metadata)
      answer = stringify({ value: stringify(value) ?? "null", log: log.toWellFormed() })
    } catch (error) {
      // The engine throws null when it has no memory even for an error.
      answer = failed((error === null ? "out of memory" : shown(error)).slice(0, MAX_ERROR_CHARS) + lineOf(error))
    }
  }
  // With a request it begins; without one it tells what has come of it.
  return (request) => {
    if (request === undefined) return answer ?? failed("the code waits for something that never comes")
    run(request)
  }
})()
