package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/open-policy-agent/opa/v1/util"
	"sigs.k8s.io/yaml"
)

// documents is the data document while it is put together.
type documents struct {
	root   map[string]any
	origin map[string]string // path → file it is from, to name both sides of a conflict
}

// mergeData puts all data files together into one document.
func mergeData(files []file) (map[string]any, []Problem) {
	d := documents{root: map[string]any{}, origin: map[string]string{}}
	var problems []Problem
	for _, f := range files {
		if f.isModule() {
			continue
		}
		if err := d.add(f); err != nil {
			problems = append(problems, Problem{File: f.name, Message: err.Error()})
		}
	}
	return d.root, problems
}

func (d *documents) add(f file) error {
	content, err := parseData(f)
	if err != nil {
		return err
	}
	if f.dir != "." {
		for _, element := range slices.Backward(strings.Split(f.dir, "/")) {
			content = map[string]any{element: content}
		}
	}
	if f.roots != nil {
		if err := dataOutside(f.roots, content, ""); err != nil {
			return err
		}
	}
	if system, ok := content[hiddenPackage[1]].(map[string]any); ok && system[hiddenPackage[2]] != nil {
		return fmt.Errorf("%s is reserved: use another name", strings.Join(hiddenPackage, "."))
	}
	return d.merge(d.root, content, "data", f.name)
}

func (d *documents) merge(dst, src map[string]any, at, from string) error {
	for _, key := range slices.Sorted(maps.Keys(src)) {
		path := at + "." + key
		was, ok := dst[key]
		if !ok {
			dst[key] = src[key]
			d.origin[path] = from
			continue
		}
		a, isObject := was.(map[string]any)
		b, bothObjects := src[key].(map[string]any)
		if !isObject || !bothObjects {
			return fmt.Errorf("%s conflicts with the one in %s: keep one of them", path, d.whoSet(path))
		}
		if err := d.merge(a, b, path, from); err != nil {
			return err
		}
	}
	return nil
}

// whoSet names the file that set the value at path: the one recorded for it or for
// the nearest object around it.
func (d *documents) whoSet(path string) string {
	for {
		if from, ok := d.origin[path]; ok {
			return from
		}
		path = path[:strings.LastIndexByte(path, '.')]
	}
}

func parseData(f file) (map[string]any, error) {
	content := f.content
	if !strings.HasSuffix(f.name, ".json") {
		var err error
		if content, err = yaml.YAMLToJSONStrict(content); err != nil {
			return nil, err
		}
	}
	// Which of two equal keys counts is nobody's guess.
	if err := checkJSON(content); err != nil {
		return nil, err
	}
	var x any
	if err := util.UnmarshalJSON(content, &x); err != nil {
		return nil, err
	}
	object, ok := x.(map[string]any)
	if !ok {
		return nil, errors.New("a data file must hold an object, so that its values have names")
	}
	return object, nil
}

// checkJSON refuses what encoding/json lets through: duplicate keys, invalid UTF-8.
func checkJSON(content []byte) error {
	return jsontext.NewDecoder(bytes.NewReader(content)).SkipValue()
}
