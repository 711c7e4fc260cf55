package plimsoll

// Explanation is what evaluating policies once more told about a judgement.
type Explanation struct {
	// Verdict is what they said this time.
	Verdict Verdict
	// Rules are those that had something to say, in the order of the verdict.
	Rules []FiredRule
	// AsksOthers says that rules could ask for other containers.
	AsksOthers bool
}

// FiredRule is a rule that had something to say.
type FiredRule struct {
	Source Source
	Title  string
	Warns  bool
	// Text is the rule's source text, which begins at Source.Line.
	Text string
	// Count is how often it fired.
	Count int
	// Firings are what its variables were, for the first times.
	Firings [][]Variable
}

// Variable is a variable of a rule, or a field of the input that it names.
type Variable struct {
	Name string
	// Value is JSON, shortened; "undefined" if there is none.
	Value string
}
