package validators_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// traitCases says of each trait what has it. The default spec, with default seccomp,
// another user and a read-only root, has none of those that a case is for unless the
// case says so.
var traitCases = map[string][]struct {
	name  string
	edits []edit
	want  []string // paths
}{
	"all-devices": {
		{"rule for all", []edit{{"linux/resources/devices/-", `{"allow":true,"access":"rwm"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"type a with numbers, which are ignored", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"a","major":1,"minor":3,"access":"r"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"any character device", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"c","access":"r"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"any major", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"b","major":-1,"access":"w"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"mknod only", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"c","access":"m"}`}}, nil},
		{"undone", []edit{{"linux/resources/devices", `[{"allow":true,"access":"rwm"},{"allow":false,"access":"rwm"}]`}}, nil},
	},
	"filesystem-mounts": {
		{"disk", []edit{{"mounts/-", `{"destination":"/h","type":"ext4","source":"/dev/sda1"}`}}, []string{"spec.mounts[9].type"}},
		{"overlay", []edit{{"mounts/-", `{"destination":"/h","type":"overlay","source":"overlay","options":["lowerdir=/:/etc"]}`}}, []string{"spec.mounts[9].type"}},
		{"bind, whatever the type", []edit{{"mounts/-", `{"destination":"/h","type":"ext4","source":"/srv","options":["bind"]}`}}, nil},
	},
	"hooks": {
		{"on the host", []edit{{"hooks/createRuntime", `[{"path":"/bin/sh"}]`}}, []string{"spec.hooks.createRuntime[0]"}},
		{"deprecated", []edit{{"hooks/prestart", `[{"path":"/bin/sh"}]`}}, []string{"spec.hooks.prestart[0]"}},
		{"in the container", []edit{{"hooks/startContainer", `[{"path":"/bin/sh"}]`}}, nil},
	},
	"host-cgroup":  {{"absent", nil, []string{"spec.linux.namespaces"}}, {"own", []edit{{"linux/namespaces/-", `{"type":"cgroup"}`}}, nil}},
	"host-devices": {{"kvm", []edit{{"linux/devices", `[{"path":"/dev/kvm","type":"c","major":10,"minor":232}]`}}, []string{"spec.linux.devices[0]"}}, {"null", []edit{{"linux/devices", `[{"path":"/dev/x","type":"c","major":1,"minor":3}]`}}, nil}},
	"host-ipc":     {{"absent", []edit{{"linux/namespaces/1", ""}}, []string{"spec.linux.namespaces"}}, {"own", nil, nil}},
	"host-mount":   {{"absent", []edit{{"linux/namespaces/3", ""}}, []string{"spec.linux.namespaces"}}, {"own", nil, nil}},
	"host-network": {
		{"absent", []edit{{"linux/namespaces/4", ""}}, []string{"spec.linux.namespaces"}},
		{"no linux at all", []edit{{"linux", ""}}, []string{"spec.linux.namespaces"}},
		{"of init", []edit{{"linux/namespaces/4/path", `"/proc/1/ns/net"`}}, []string{"spec.linux.namespaces[4].path"}},
		{"of init, disguised", []edit{{"linux/namespaces/4/path", `"/run/../proc//1/ns/net"`}}, []string{"spec.linux.namespaces[4].path"}},
		{"of runc", []edit{{"linux/namespaces/4/path", `"/proc/self/ns/net"`}}, []string{"spec.linux.namespaces[4].path"}},
		{"of a network plugin", []edit{{"linux/namespaces/4/path", `"/run/netns/web"`}}, nil},
		{"path empty", []edit{{"linux/namespaces/4/path", `""`}}, nil},
	},
	"host-paths": {
		{"root", []edit{{"mounts/-", `{"destination":"/h","source":"/","options":["rbind","ro"]}`}}, []string{"spec.mounts[9].source"}},
		{"etc", []edit{{"mounts/-", `{"destination":"/h","source":"/srv/../etc/shadow","options":["bind","ro"]}`}}, []string{"spec.mounts[9].source"}},
		{"out of the bundle", []edit{{"mounts/-", `{"destination":"/h","source":"../../../../etc","options":["bind"]}`}}, []string{"spec.mounts[9].source"}},
		{"as root filesystem", []edit{{"root/path", `"/"`}}, []string{"spec.root.path"}},
		{"hosts, to read", []edit{{"mounts/7/source", `"/etc/hosts"`}, {"mounts/7/options", `["rbind","ro"]`}}, nil},
		{"hosts, to write", []edit{{"mounts/7/source", `"/etc/hosts"`}, {"mounts/7/options", `["rbind","ro","rw"]`}}, []string{"spec.mounts[7].source"}},
		{"programs", []edit{{"mounts/-", `{"destination":"/h","source":"/usr/bin","options":["rbind"]}`}}, []string{"spec.mounts[9].source"}},
	},
	"host-pid": {{"absent", []edit{{"linux/namespaces/0", ""}}, []string{"spec.linux.namespaces"}}, {"own", nil, nil}},
	"host-user": {
		{"absent", nil, []string{"spec.linux.namespaces"}},
		{"own", []edit{{"linux/namespaces/-", `{"type":"user"}`}, {"linux/uidMappings", `[{"containerID":0,"hostID":1,"size":9}]`}}, nil},
		{"with the host's root", []edit{{"linux/namespaces/-", `{"type":"user"}`}, {"linux/uidMappings", `[{"containerID":0,"hostID":0,"size":9}]`}}, []string{"spec.linux.uidMappings[0].hostID"}},
	},
	"host-uts":          {{"absent", []edit{{"linux/namespaces/2", ""}}, []string{"spec.linux.namespaces"}}, {"own", nil, nil}},
	"joined-namespaces": {{"joined", []edit{{"linux/namespaces/4/path", `"/run/netns/web"`}}, []string{"spec.linux.namespaces[4].path"}}, {"own", nil, nil}},
	"network-devices":   {{"given", []edit{{"linux/netDevices", `{"eth1":{"name":"eth0"}}`}}, []string{"spec.linux.netDevices.eth1"}}, {"none", nil, nil}},
	"new-privileges":    {{"absent", []edit{{"process/noNewPrivileges", ""}}, []string{"spec.process.noNewPrivileges"}}, {"set", nil, nil}},
	"no-seccomp": {
		{"absent", []edit{{"linux/seccomp", ""}}, []string{"spec.linux.seccomp"}},
		{"off", []edit{{"linux/seccomp", `{"defaultAction":""}`}}, []string{"spec.linux.seccomp"}},
		{"lets all through", []edit{{"linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW"}`}}, []string{"spec.linux.seccomp"}},
		{"default", nil, nil},
	},
	"raw-devices": {
		{"disk node", []edit{{"linux/devices", `[{"path":"/dev/null","type":"b","major":8,"minor":0}]`}}, []string{"spec.linux.devices[0]"}},
		{"disk rule", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"b","major":8,"access":"r"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"memory", []edit{{"linux/resources/devices/-", `{"allow":true,"type":"c","major":1,"access":"rw"}`}}, []string{"spec.linux.resources.devices[10]"}},
		{"usual", nil, nil},
	},
	"root-user": {
		{"root", []edit{{"process/user/uid", `0`}}, []string{"spec.process.user.uid"}},
		{"nobody said who", []edit{{"process/user", ""}}, []string{"spec.process.user.uid"}},
		{"root of a user namespace", []edit{{"process/user/uid", `0`}, {"linux/namespaces/-", `{"type":"user"}`}}, nil},
		{"another", nil, nil},
	},
	"runtime-sockets": {
		{"docker", []edit{{"mounts/-", `{"destination":"/h","source":"/var/run/docker.sock","options":["bind","ro"]}`}}, []string{"spec.mounts[9].source"}},
		{"containerd", []edit{{"mounts/-", `{"destination":"/h","source":"/run/containerd","options":["bind"]}`}}, []string{"spec.mounts[9].source"}},
		{"all of run", []edit{{"mounts/-", `{"destination":"/h","source":"/run/","options":["rbind"]}`}}, []string{"spec.mounts[9].source"}},
		{"others", nil, nil},
	},
	"shared-mounts": {
		{"mount", []edit{{"mounts/7/options/-", `"rshared"`}}, []string{"spec.mounts[7].options"}},
		{"root", []edit{{"linux/rootfsPropagation", `"shared"`}}, []string{"spec.linux.rootfsPropagation"}},
		{"private", nil, nil},
	},
	"systemd-properties": {{"device policy", []edit{{"annotations/org.systemd.property.DevicePolicy", `"'auto'"`}}, []string{`spec.annotations["org.systemd.property.DevicePolicy"]`}}, {"none", nil, nil}},
	"unconfined": {
		{"apparmor", []edit{{"process/apparmorProfile", `"unconfined"`}}, []string{"spec.process.apparmorProfile"}},
		{"selinux", []edit{{"process/selinuxLabel", `"system_u:system_r:spc_t:s0"`}}, []string{"spec.process.selinuxLabel"}},
		{"confined", []edit{{"process/selinuxLabel", `"system_u:system_r:container_t:s0"`}, {"process/apparmorProfile", `"cri-containerd.apparmor.d"`}}, nil},
	},
	"unmasked-paths": {
		{"one dropped", []edit{{"linux/maskedPaths/3", ""}}, []string{"spec.linux.maskedPaths"}},
		{"none", []edit{{"linux/maskedPaths", `[]`}}, []string{"spec.linux.maskedPaths"}},
		{"a second proc", []edit{{"mounts/-", `{"destination":"/p","type":"proc","source":"proc"}`}}, []string{"spec.mounts[9].destination"}},
		{"covered by one above", []edit{{"linux/maskedPaths", `["/proc","/sys/firmware/"]`}}, nil},
		{"newest only dropped", []edit{{"linux/maskedPaths/10", ""}, {"linux/maskedPaths/2", ""}}, nil},
	},
	"writable-cgroup": {
		{"rw", []edit{{"mounts/-", `{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["rw"]}`}}, []string{"spec.mounts[9].options"}},
		{"ro", []edit{{"mounts/-", `{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}`}}, nil},
	},
	"writable-proc":     {{"one dropped", []edit{{"linux/readonlyPaths/4", ""}}, []string{"spec.linux.readonlyPaths"}}, {"none", nil, nil}},
	"writable-proc-sys": {{"dropped", []edit{{"linux/readonlyPaths/3", ""}}, []string{"spec.linux.readonlyPaths"}}, {"a second proc", []edit{{"mounts/-", `{"destination":"/p","type":"proc","source":"proc"}`}}, []string{"spec.mounts[9].destination"}}, {"kept", nil, nil}},
	"writable-rootfs":   {{"absent", []edit{{"root/readonly", ""}}, []string{"spec.root.readonly"}}, {"set", nil, nil}},
	"writable-sys": {
		{"rw", []edit{{"mounts/5/options/3", `"rw"`}}, []string{"spec.mounts[5].options"}},
		{"neither", []edit{{"mounts/5/options/3", ""}}, []string{"spec.mounts[5].options"}},
		{"ro, then rw", []edit{{"mounts/5/options/-", `"rw"`}}, []string{"spec.mounts[5].options"}},
		{"remounted", []edit{{"mounts/-", `{"destination":"/sys","type":"sysfs","options":["remount","rw"]}`}}, []string{"spec.mounts[9].options"}},
		{"RO", []edit{{"mounts/5/options/3", `"RO"`}}, []string{"spec.mounts[5].options"}},
		{"ro", nil, nil},
	},
	"CAP_NET_ADMIN": {
		{"ambient only", []edit{{"process/capabilities/ambient", `["CAP_NET_ADMIN"]`}}, []string{"spec.process.capabilities.ambient[0]"}},
		{"twice", []edit{{"process/capabilities/bounding/-", `"CAP_NET_ADMIN"`}, {"process/capabilities/permitted/-", `"CAP_NET_ADMIN"`}}, []string{"spec.process.capabilities.bounding[14]"}},
		{"others", nil, nil},
	},
}

// loadTraits binds runc-spec once for each trait, in a namespace called after it.
func loadTraits(t *testing.T, traits []string) *plugins.Validators {
	t.Helper()
	module, err := os.ReadFile(moduleFile)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(module)
	var bindings []any
	for _, trait := range traits {
		bindings = append(bindings, map[string]any{
			"name": strings.ReplaceAll(strings.ToLower(trait), "_", "-"), "module": "runc-spec.wasm", "sha256": hex.EncodeToString(digest[:]),
			"match": map[string]any{"namespaces": []string{trait}}, "settings": settings{Forbid: []string{trait}},
		})
	}
	config, err := json.Marshal(map[string]any{"validators": bindings})
	if err != nil {
		t.Fatal(err)
	}
	return load(t, plugins.FS(fstest.MapFS{"validators.yaml": {Data: config}, "runc-spec.wasm": {Data: module}}, "validators.yaml"))
}

func TestTraits(t *testing.T) {
	traits := slices.Sorted(maps.Keys(traitCases))
	v := loadTraits(t, traits)
	base := edited(t, fixture(t, "linux-web-seccomp"), edit{"root/readonly", "true"})
	for _, trait := range traits {
		for _, tc := range traitCases[trait] {
			t.Run(trait+"/"+tc.name, func(t *testing.T) {
				in := input(edited(t, base, tc.edits...))
				in.Namespace = trait
				var got []string
				for _, found := range judge(t, v, in).Violations {
					// Some of what has a trait is also wrong in itself.
					if found.Code == "forbidden."+trait {
						got = append(got, found.Field)
					} else if strings.HasPrefix(found.Code, "forbidden.") {
						t.Errorf("%s %s is not forbidden here", found.Field, found.Code)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("places of %s (-want +got):\n%s", trait, diff)
				}
			})
		}
	}
}

// Every trait has a case here and an entry in the README, and nothing else has.
func TestTraitsAreTestedAndDocumented(t *testing.T) {
	fsys, err := bindingOf(map[string]any{"forbid": []string{"?"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = plugins.Load(t.Context(), options, plugins.FS(fsys, "validators.yaml"))
	if err == nil {
		t.Fatal("an unknown trait was accepted")
	}
	_, list, found := strings.Cut(err.Error(), "or one of ")
	if !found {
		t.Fatalf("the error does not list the traits: %v", err)
	}
	known := strings.Split(strings.TrimRight(list, ")\n"), ", ")
	slices.Sort(known)

	groups := []string{"dangerous-capabilities", "extra-capabilities", "privileged"}
	tested := slices.DeleteFunc(slices.Collect(maps.Keys(traitCases)), func(name string) bool { return strings.HasPrefix(name, "CAP_") })
	tested = append(tested, groups...)
	slices.Sort(tested)
	if diff := cmp.Diff(known, tested); diff != "" {
		t.Errorf("traits (-known +tested):\n%s", diff)
	}

	readme, err := os.ReadFile("runc-spec/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllSubmatch(readme, -1) {
		documented = append(documented, string(row[1]))
	}
	slices.Sort(documented)
	if diff := cmp.Diff(known, documented); diff != "" {
		t.Errorf("traits (-known +documented):\n%s", diff)
	}
}

// The traits of the other validators, which their schemas list, have cases and an entry
// in the README each, and nothing else has.
func TestTraitsOfOthersAreTestedAndDocumented(t *testing.T) {
	for _, name := range []string{"kata-spec", "runsc-spec"} {
		t.Run(name, func(t *testing.T) {
			read := func(file string) []byte {
				content, err := os.ReadFile(filepath.Join(name, file))
				if err != nil {
					t.Fatal(err)
				}
				return content
			}
			var meta struct {
				Settings struct {
					Defs struct {
						Trait struct{ Enum []string }
					} `json:"$defs"`
				}
			}
			if err := json.Unmarshal(read("validator.json"), &meta); err != nil {
				t.Fatal(err)
			}
			known := meta.Settings.Defs.Trait.Enum
			if diff := cmp.Diff(known, found(read("README.md"), "(?m)^\\| `([a-z-]+)` \\| (?:•|forbidden)? *\\|")); diff != "" {
				t.Errorf("traits (-known +documented):\n%s", diff)
			}
			if diff := cmp.Diff(known, found(read("cases.yaml"), "forbidden\\.([a-z-]+)")); diff != "" {
				t.Errorf("traits (-known +tested):\n%s", diff)
			}
		})
	}
}

// found is what a group of an expression has in a text, sorted, each once.
func found(text []byte, expression string) []string {
	var all []string
	for _, match := range regexp.MustCompile(expression).FindAllSubmatch(text, -1) {
		all = append(all, string(match[1]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
