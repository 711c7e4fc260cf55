// Package decisionlog makes events of recorded decisions, in the shape of OPA's decision
// log, for what receives such logs already. What OPA's events have no place for is in
// their part plimsoll.
package decisionlog
