// Package main is added to the validator in docs/validators.md by the test that
// builds it. It looks around when the module is initialized, and panics, which
// fails the load, if there is more of a system than there should be.
package main

import (
	"fmt"
	"os"
	"time"
)

func init() {
	fmt.Println("this goes nowhere")
	before := time.Now()
	time.Sleep(time.Hour)
	if slept := time.Since(before); slept < time.Hour || slept > time.Hour+time.Second {
		panic("the clock does not go on while sleeping")
	}
	if _, err := os.ReadFile("/etc/passwd"); err == nil {
		panic("there is a file system")
	}
	if len(os.Environ()) > 0 {
		panic("there is an environment")
	}
	if len(os.Args) > 0 {
		panic("there are arguments")
	}
	if n, _ := os.Stdin.Read(make([]byte, 1)); n > 0 {
		panic("there is input")
	}
}
