package main

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxUint32 = math.MaxUint32
	maxUint64 = math.MaxUint64
	minMemory = 256 // MiB: MinHypervisorMemory in src/runtime/virtcontainers/hypervisor.go
)

func refuse(at place, value, want string, r *report) {
	r.violation("annotation.value", at, "Kata refuses "+quoted(value)+": it wants "+want, "use "+want)
}

func anything(place, string, *report) {}

func boolean(at place, value string, r *report) {
	if _, err := strconv.ParseBool(value); err != nil {
		refuse(at, value, "true or false", r)
	}
}

func parseUnsigned(value string, base int) (uint64, bool) {
	n, err := strconv.ParseUint(value, base, 64)
	return n, err == nil
}

// unsigned are decimal numbers. The runtime cuts off what 32 bits do not hold.
func unsigned(least, most uint64) rule { return unsignedOf(10, least, most) }

func unsignedOf(base int, least, most uint64) rule {
	return func(at place, value string, r *report) {
		if n, ok := parseUnsigned(value, base); !ok || n < least || n > most {
			refuse(at, value, "a number from "+strconv.FormatUint(least, 10)+" to "+strconv.FormatUint(most, 10), r)
		}
	}
}

func oneOf(values ...string) rule {
	return func(at place, value string, r *report) {
		if !slices.Contains(values, value) {
			refuse(at, value, strings.Join(values, ", "), r)
		}
	}
}

// documented values are those of Kata's documentation; the runtime takes any.
func documented(values ...string) rule {
	return func(at place, value string, r *report) {
		if !slices.Contains(values, value) {
			r.warning("annotation.value", at, "Kata's documentation does not have "+quoted(value), "use "+strings.Join(values, ", "))
		}
	}
}

func rustOnly(at place, _ string, r *report) {
	r.warning("annotation.rust_only", at, "only Kata's runtime in Rust knows it", "leave it out, unless that is the one that runs")
}

func documentedOnly(at place, _ string, r *report) {
	r.warning("annotation.ignored", at, "Kata documents it, but does not read it", "leave it out")
}

func overwritten(at place, _ string, r *report) {
	r.warning("annotation.ignored", at, "Kata sets it itself", "leave it out")
}

func experimental(at place, _ string, r *report) {
	r.violation("annotation.value", at, "Kata has no experimental features, and refuses all", "leave it out")
}

func sectorSize(at place, value string, r *report) {
	n, ok := parseUnsigned(value, 10)
	if !ok || n != 0 && (n < 512 || n > 65536 || n&(n-1) != 0) {
		refuse(at, value, "0 or a power of 2 from 512 to 65536", r)
	}
}

func pciePort(at place, value string, r *report) {
	if value != "" { // which is for no-port
		oneOf("no-port", "bridge-port", "root-port", "switch-port")(at, value, r)
	}
}

func cpus(at place, value string, r *report) {
	n, err := strconv.ParseFloat(value, 32)
	if err != nil || math.IsNaN(n) || n < 0 {
		refuse(at, value, "a number of processors", r)
		return
	}
	checkCPUs(at, value, n, r)
}

func maxCPUs(at place, value string, r *report) {
	n, ok := parseUnsigned(value, 10)
	if !ok || n > maxUint32 {
		refuse(at, value, "a number of processors", r)
		return
	}
	checkCPUs(at, value, float64(n), r)
}

// checkCPUs wants no more processors than the host has, if that is known.
func checkCPUs(at place, value string, n float64, r *report) {
	if s := r.settings; s.hostCPUs > 0 && !s.remote && n > float64(s.hostCPUs) {
		refuse(at, value, "at most the "+strconv.Itoa(s.hostCPUs)+" processors of the host", r)
	}
}

func memory(at place, value string, r *report) {
	least := uint64(minMemory)
	if r.settings.remote {
		least = 0
	}
	unsigned(least, maxUint32)(at, value, r)
}

func absolute(at place, value string, r *report) {
	if value != "" && !strings.HasPrefix(value, "/") {
		refuse(at, value, "an absolute path", r)
	}
}

func sha512Hash(at place, value string, r *report) {
	if value != "" && (len(value) != 128 || strings.Trim(value, "0123456789abcdef") != "") {
		refuse(at, value, "the 128 lower case digits of a SHA-512", r)
	}
}

func kernelParams(at place, value string, r *report) {
	if value != "" {
		r.trait("kernel-params", at, "it changes how the guest's kernel and agent work: its console, its log, its checks", "leave it out")
	}
}

// verity follows ParseKernelVerityParams in src/runtime/virtcontainers/hypervisor.go.
func verity(at place, value string, r *report) {
	if strings.TrimSpace(value) == "" {
		return
	}
	params := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, param, ok := strings.Cut(part, "=")
		if !ok {
			refuse(at, value, "NAME=VALUE,…", r)
			return
		}
		params[name] = param
	}
	for _, name := range []string{"root_hash", "salt"} {
		if params[name] == "" {
			refuse(at, value, name, r)
		}
	}
	for _, name := range []string{"data_blocks", "data_block_size", "hash_block_size"} {
		n, ok := parseUnsigned(params[name], 10)
		if !ok || n == 0 || name != "data_blocks" && n%512 != 0 {
			refuse(at, value, name+", a number, and of sizes a multiple of 512", r)
		}
	}
}

// daemonArgs are arguments of a program on the host.
func daemonArgs(at place, value string, r *report) {
	if !isStrings(value) {
		refuse(at, value, `an array of strings in JSON, such as ["--log-level=warn"]`, r)
		return
	}
	r.trait("virtiofsd-args", at, "arguments of virtiofsd, which runs on the host, can be abused against it", "leave it out")
}

// isStrings is whether it is what encoding/json decodes to strings: null, too.
func isStrings(text string) bool {
	v, err := parse([]byte(text), everything)
	if err != nil || v == nil {
		return err == nil
	}
	return v.kind == '[' && !slices.ContainsFunc(v.items, func(i *value) bool { return i != nil && i.kind != '"' })
}

func base64Text(at place, value string, r *report) {
	if _, err := base64.StdEncoding.DecodeString(value); err != nil {
		r.violation("annotation.value", at, "Kata refuses it: it is not base64", "encode it so")
	}
}

// initData is gzip in base64. What is in it stays closed here.
func initData(at place, value string, r *report) {
	if value == "" {
		return
	}
	content, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(content) < 18 || content[0] != 0x1f || content[1] != 0x8b {
		r.violation("annotation.value", at, "Kata refuses it: it is not gzip in base64", "encode it so")
	}
}

// quantity is a size with a binary suffix.
func quantity(at place, value string, r *report) {
	digits := strings.TrimRight(value, "KMGTPEi")
	suffix := value[len(digits):]
	number, err := strconv.ParseFloat(digits, 64)
	if err != nil || number < 0 || strings.Trim(digits, "0123456789.") != "" ||
		!slices.Contains([]string{"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}, suffix) {
		refuse(at, value, "a size such as 4Mi", r)
	}
}

// sizing is what containerd says of a pod. What is no number counts for nothing.
func sizing(at place, value string, r *report) {
	if _, err := strconv.ParseInt(value, 10, 64); err != nil {
		r.warning("annotation.ignored", at, "Kata ignores it: it is not a number", "use a number")
	}
}
