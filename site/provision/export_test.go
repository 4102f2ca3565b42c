package provision

import "time"

// ApplyScript is the script of a plan without the functions before it.
func ApplyScript(p Plan) string {
	functions := len(applyFunctions + configFunctions + packageFunctions + asFunction)
	return p.p.script("mark", time.Minute)[functions:]
}

// FactsScript is the script that gathers facts, without the functions before it.
func FactsScript(s State) string {
	return factsScript(s, time.Minute)[len(factsFunctions+asFunction):]
}

// Calls are the function calls of a plan's script with their arguments, staged paths included.
func Calls(p Plan) [][]string {
	var calls [][]string
	for i, it := range p.p.items {
		for j, o := range it.ops {
			line := []string{o.function}
			if o.payload != nil {
				line = append(line, o.payload.stagePath(i, j))
			}
			calls = append(calls, append(line, o.args...))
		}
	}
	return calls
}

var (
	UnifiedDiff = unifiedDiff
	ParseFacts  = parseFacts
)
