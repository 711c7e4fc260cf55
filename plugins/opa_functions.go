package plugins

import (
	"errors"
	"fmt"

	"github.com/plimsoll-project/plimsoll/plugins/internal/rego"
)

// opaModule is what compiled Rego policies import from.
const opaModule = "env"

// opaCallCost is the fuel that any call of a host function of OPA's ABI takes.
const opaCallCost = 100

// opaFunctions are the functions that compiled Rego policies import. OPA's compiler
// imports a function for each number of arguments that a builtin may have.
var opaFunctions = hostFunctions{
	"opa_abort":    {"i", "", opaCallCost, opaAbort},
	"opa_println":  {"i", "", opaCallCost, func(hostCall) uint64 { return 0 }}, // forgotten, as all that guests print
	"opa_builtin0": {"ii", "i", opaCallCost, opaBuiltin},
	"opa_builtin1": {"iii", "i", opaCallCost, opaBuiltin},
	"opa_builtin2": {"iiii", "i", opaCallCost, opaBuiltin},
	"opa_builtin3": {"iiiii", "i", opaCallCost, opaBuiltin},
	"opa_builtin4": {"iiiiii", "i", opaCallCost, opaBuiltin},
}

// opaAbort ends the call. What the guest says about it may quote the spec, and so is
// not told.
func opaAbort(hostCall) uint64 {
	panic(errors.New("it aborted, as when two rules disagree about a value, or memory runs out"))
}

// opaBuiltin evaluates the builtin with the id in argument 0 on the values whose
// addresses are from argument 2 on, and returns the address of the result. Values go
// there and back as text, which the guest writes and reads itself, with its own fuel. While
// it does, it may not call a builtin: the engine has one stack for each exported function,
// and calling one of them while it runs would run over that.
//
// A builtin that fails is a fault. OPA would take its result for undefined, and then a
// deny that depends on it would not deny.
func opaBuiltin(c hostCall) uint64 {
	if c.policy == nil {
		panic(errors.New("it called a builtin before it was evaluated"))
	}
	if c.serving {
		panic(errors.New("it called a builtin while it was asked for the operands or the result of another"))
	}
	c.serving = true
	defer func() { c.serving = false }()
	builtin, ok := c.policy.builtins[c.arg(0)]
	if !ok {
		panic(fmt.Errorf("it called builtin %d, which it does not list", c.arg(0)))
	}
	var operands [][]byte
	for _, address := range c.args[2:] {
		operand, err := c.dump(uint32(address))
		if err != nil {
			panic(fmt.Errorf("builtin %s: %w", builtin.Name(), err))
		}
		operands = append(operands, operand)
	}
	result, err := builtin.Call(operands, c.charge)
	if err != nil {
		panic(fmt.Errorf("builtin %s: %w", builtin.Name(), err))
	}
	c.chargeBytes(uint64(len(result)))
	value, err := c.opaParse(opaValueParse, result)
	if err != nil {
		panic(fmt.Errorf("builtin %s: %w", builtin.Name(), err))
	}
	return uint64(value)
}

// dump is a value as text.
func (c hostCall) dump(address uint32) ([]byte, error) {
	at, err := c.invoke(opaValueDump, address)
	if err != nil {
		return nil, err
	}
	text, err := c.text(at, rego.MaxOperand)
	c.chargeBytes(uint64(len(text)))
	return text, err
}
