package plugins

import (
	"errors"

	"github.com/plimsoll-project/plimsoll"
)

// Judged is what came of asking a validator once, for those who count.
type Judged struct {
	// Validator is its name.
	Validator   string
	Enforcement Enforcement
	Outcome     JudgedOutcome
	// Violations is how many it found.
	Violations int
}

// JudgedOutcome is what came of asking a validator.
type JudgedOutcome string

// The outcomes.
const (
	JudgedValid       JudgedOutcome = "valid"
	JudgedViolations  JudgedOutcome = "violations"
	JudgedFault       JudgedOutcome = "fault"
	JudgedOutOfFuel   JudgedOutcome = "out-of-fuel"
	JudgedOutOfTime   JudgedOutcome = "out-of-time"
	JudgedQuarantined JudgedOutcome = "quarantined"
	// JudgedAbandoned is when the caller did not wait, or the validator was released.
	JudgedAbandoned JudgedOutcome = "abandoned"
)

// JudgedOutcomes lists all of them.
func JudgedOutcomes() []JudgedOutcome {
	return []JudgedOutcome{JudgedValid, JudgedViolations, JudgedFault, JudgedOutOfFuel, JudgedOutOfTime, JudgedQuarantined, JudgedAbandoned}
}

// observe tells whoever counts what came of asking the validator.
func (b *binding) observe(verdict plimsoll.Verdict, err error) {
	if b.observer != nil {
		b.observer(Judged{b.info.Name, b.info.Enforcement, judgedOutcome(verdict, err), len(verdict.Violations)})
	}
}

func judgedOutcome(verdict plimsoll.Verdict, err error) JudgedOutcome {
	late, isLate := errors.AsType[*plimsoll.TimeoutError](err)
	switch {
	case err == nil && len(verdict.Violations) == 0:
		return JudgedValid
	case err == nil:
		return JudgedViolations
	case errors.Is(err, plimsoll.ErrQuarantined):
		return JudgedQuarantined
	case isLate && late.OutOfFuel:
		return JudgedOutOfFuel
	case isLate:
		return JudgedOutOfTime
	case errors.Is(err, plimsoll.ErrFault):
		return JudgedFault
	}
	return JudgedAbandoned
}

// Instances are the instances of a validator at one moment.
type Instances struct {
	// Validator is its name.
	Validator string
	// Busy are in a call, Idle wait for one; both are at most Limit together.
	Busy, Idle, Limit int
}

// Instances counts those of each validator, in the order in which they judge.
func (v *Validators) Instances() []Instances {
	list := make([]Instances, len(v.bindings))
	for n, b := range v.bindings {
		stat := b.pool.Stat()
		list[n] = Instances{b.info.Name, int(stat.AcquiredResources()), int(stat.IdleResources()), int(stat.MaxResources())}
	}
	return list
}
