package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/plimsoll-project/plimsoll"
)

// Rules called patch change containers before they are judged. They are evaluated round
// by round, each round on what the one before made of the container, until one changes
// nothing.
const (
	maxPatchRounds = 8        // that change something
	maxPatchEdits  = 4096     // of one round
	maxPatchBytes  = 32 << 20 // that are copied in one round
)

// Patches reports whether there are rules called patch.
func (p *Policies) Patches() bool { return p.patches != nil }

// Patch returns what the rules called patch make of in's object, or nil if they leave it
// as it is, and what they changed, by field. The result shares with the object what
// differs in neither. There is nothing to patch on delete.
//
// Errors are those of [plimsoll.Judge]. It is a [plimsoll.FaultError], too, if rules are at
// odds about a field, or still change something after 8 rounds.
func (p *Policies) Patch(ctx context.Context, in *plimsoll.Input) (object *plimsoll.Container, patches []plimsoll.Patch, err error) {
	if p.patches == nil || in.Operation == plimsoll.OperationDelete {
		return nil, nil, nil
	}
	onGrownStack(func() {
		defer func() {
			if r := recover(); r != nil {
				object, patches, err = nil, nil, fault(evaluationSource, fmt.Errorf("panic: %s\n%s", ofPanic(r), debug.Stack()))
			}
		}()
		object, patches, err = p.patchUntilDone(ctx, in)
	})
	return object, patches, err
}

func (p *Policies) patchUntilDone(ctx context.Context, in *plimsoll.Input) (*plimsoll.Container, []plimsoll.Patch, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, done := p.limit(ctx)
	defer done()
	first := in.Object
	var changes []change // of all rounds
	for round := 1; ; round++ {
		if ctx.Err() != nil {
			return nil, nil, ended(ctx)
		}
		object, more, err := p.patchOnce(ctx, in)
		var request *plimsoll.RequestError
		switch {
		case round > 1 && errors.As(err, &request): // the rules' doing, and not the caller's
			return nil, nil, fault(changes[0].rule.source, errors.New("what patches made of the container cannot be read"))
		case err != nil:
			return nil, nil, err
		case len(more) == 0 && round == 1:
			return nil, nil, nil
		case len(more) == 0:
			patches, err := summarize(first, in.Object, changes)
			return in.Object, patches, err
		case round > maxPatchRounds:
			return nil, nil, fault(more[0].rule.source, fmt.Errorf("patches still change something after %d rounds: %s", maxPatchRounds, describeChanges(more)))
		}
		changes = append(changes, more...)
		in = in.WithObject(object)
	}
}

// patchOnce evaluates the patch rules that match, and returns what they make of the
// object.
func (p *Policies) patchOnce(ctx context.Context, in *plimsoll.Input) (*plimsoll.Container, []change, error) {
	q, err := p.patches.matching(in, nil)
	if q == nil || err != nil {
		return nil, nil, err
	}
	doc, err := q.document(in)
	if err != nil {
		return nil, nil, err
	}
	results, err := p.ask(ctx, q, in, doc)
	if err != nil {
		return nil, nil, err
	}
	budget := maxPatchBytes
	d := newDraft(in.Object, &budget)
	proposals, err := p.readPatches(q, results, d)
	if err != nil || len(proposals) == 0 {
		return nil, nil, err
	}
	if err := checkConflicts(d, proposals); err != nil {
		return nil, nil, err
	}
	changes, err := applyAll(d, proposals)
	if err != nil || len(changes) == 0 {
		return nil, nil, err
	}
	inSpec := slices.ContainsFunc(changes, func(c change) bool { return c.path[0] == specField })
	object, err := d.container(inSpec)
	if err != nil {
		return nil, nil, fault(changes[len(changes)-1].rule.source, err)
	}
	return object, changes, nil
}

// proposal is what one member of a patch rule asks for.
type proposal struct {
	*rule
	value ast.Value
	edits []edit
}

// change is one that an edit made.
type change struct {
	*rule
	path  []string
	field string
}

// readPatches returns what rules ask for, in an order that depends on nothing but that.
func (p *Policies) readPatches(q *query, results *ast.Array, d *draft) ([]proposal, error) {
	var proposals []proposal
	for i, n := range q.asked {
		err := p.readPatch(n, results.Elem(i).Value, func(r *rule, v ast.Value) error {
			edits, err := d.edits(v)
			if err != nil {
				return fault(r.source, err)
			}
			proposals = append(proposals, proposal{rule: r, value: v, edits: edits})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(proposals, func(a, b proposal) int {
		return cmp.Or(compareSources(a.source, b.source), a.value.Compare(b.value))
	})
	count := 0
	for _, one := range proposals {
		if count += len(one.edits); count > maxPatchEdits {
			return nil, fault(one.source, fmt.Errorf("patches change more than %d things at once", maxPatchEdits))
		}
	}
	return proposals, nil
}

func compareSources(a, b plimsoll.Source) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File), a.Line-b.Line)
}

// readPatch gives each patch of one entry of results: see prepare.
func (p *Policies) readPatch(n int, result ast.Value, each func(*rule, ast.Value) error) error {
	if p.rules[n].shape == clause {
		set, ok := result.(ast.Set)
		if !ok {
			return fault(evaluationSource, fmt.Errorf("%s is no set", kind(result)))
		}
		return set.Iter(func(member *ast.Term) error {
			r, v, err := p.clause(member.Value)
			if err != nil {
				return fault(evaluationSource, err)
			}
			return each(r, v)
		})
	}
	r := &p.rules[n]
	v, err := r.document(result)
	if v == nil || err != nil {
		return err
	}
	switch v := v.(type) {
	case ast.Boolean:
		if !v {
			return nil
		}
	case ast.Set:
		return v.Iter(func(member *ast.Term) error { return each(r, member.Value) })
	}
	return each(r, v)
}

// edits reads one patch: an object with a key op is an operation, an array is some, and
// any other object is one to merge.
func (d *draft) edits(v ast.Value) ([]edit, error) {
	switch v.(type) {
	case ast.Object, *ast.Array:
	default:
		return nil, fmt.Errorf("gave %s, but a patch is an object to merge, or operations", kind(v))
	}
	value, err := ast.JSONWithOpt(v, ast.JSONOpt{SortSets: true, CopyMaps: true})
	if err != nil {
		return nil, errors.New("gave what is no JSON") // its text may quote values
	}
	if err := checkValue(value); err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case []any:
		return d.operations(value)
	case map[string]any:
		if _, isOperation := value["op"]; isOperation {
			return d.operations([]any{value})
		}
		return d.merged(value)
	}
	return nil, fmt.Errorf("gave %s", kind(v))
}

func (d *draft) merged(object map[string]any) ([]edit, error) {
	for _, key := range slices.Sorted(maps.Keys(object)) { // before anything is looked up
		if err := checkPatchable(key); err != nil {
			return nil, err
		}
	}
	edits, err := d.merge(nil, object)
	if err != nil {
		return nil, err
	}
	for i := range edits {
		if err := edits[i].check(); err != nil {
			return nil, err
		}
	}
	return edits, nil
}

// checkValue refuses what documents of callers must not have either: strings that are no
// UTF-8, and numbers out of range.
func checkValue(value any) error {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return errors.New("gave a string that is not UTF-8")
		}
	case json.Number:
		_, err := number([]byte(v))
		return err
	case []any:
		for _, below := range v {
			if err := checkValue(below); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, below := range v {
			if err := errors.Join(checkValue(key), checkValue(below)); err != nil {
				return err
			}
		}
	}
	return nil
}

// claim is an edit and whose it is.
type claim struct {
	edit
	of   int // proposal
	path []string
}

// checkConflicts refuses proposals that are at odds: of which one sets a field and
// another sets it differently, or something above or below it.
func checkConflicts(d *draft, proposals []proposal) error {
	var claims []claim
	for i, one := range proposals {
		for _, e := range one.edits {
			claims = append(claims, claim{edit: e, of: i, path: e.touched()})
		}
	}
	// What is below a path comes right after it.
	slices.SortStableFunc(claims, func(a, b claim) int { return slices.Compare(a.path, b.path) })
	var above []claim
	for _, c := range claims {
		for len(above) > 0 && !hasPrefix(c.path, above[len(above)-1].path) {
			above = above[:len(above)-1]
		}
		for _, a := range above {
			if a.of != c.of && !agree(a, c) {
				if a.of > c.of {
					a, c = c, a
				}
				return fault(proposals[a.of].source, fmt.Errorf("patches %s, and %s patches %s to something else",
					d.fieldOf(a.edit.path), proposals[c.of].source, d.fieldOf(c.edit.path)))
			}
		}
		above = append(above, c)
	}
	return nil
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

func agree(a, b claim) bool {
	return len(a.path) == len(b.path) && a.kind == b.kind && (a.kind != put || same(a.value, b.value))
}

// applyAll carries out what is proposed and returns what that changed.
func applyAll(d *draft, proposals []proposal) ([]change, error) {
	var changes []change
	var pushed []claim
	for i, one := range proposals {
		for _, e := range one.edits {
			path, changed, err := d.effect(e, i, &pushed)
			if err == nil && changed {
				err = d.apply(e)
			}
			if err != nil {
				return nil, fault(one.source, fmt.Errorf("%s: %w", d.fieldOf(e.path), err))
			}
			if changed {
				changes = append(changes, change{rule: one.rule, path: path, field: d.fieldOf(path)})
			}
		}
	}
	return changes, nil
}

// effect tells what an edit of a proposal would change, if anything. What two proposals
// push is pushed once.
func (d *draft) effect(e edit, of int, pushed *[]claim) (path []string, changes bool, err error) {
	have, there, err := d.lookup(e.path)
	switch {
	case err != nil:
		return nil, false, err
	case e.kind == put:
		return e.path, !there || !same(have, e.value), nil
	case e.kind == remove:
		return e.path, there, nil
	}
	for _, c := range *pushed {
		if c.of != of && slices.Equal(c.path, e.path) && same(c.value, e.value) {
			return nil, false, nil
		}
	}
	*pushed = append(*pushed, claim{edit: e, of: of, path: e.path})
	array, _ := have.([]any)
	return append(slices.Clone(e.path), fmt.Sprint(len(array))), true, nil
}

func describeChanges(changes []change) string {
	const most = 8
	var all []string
	for _, c := range changes {
		if text := c.source.String() + " (" + c.field + ")"; !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > most {
		all = append(all[:most], "…")
	}
	return strings.Join(all, ", ")
}

// summarize says what was changed between two states of a container, by field: of changes
// of one field the last, and none that was undone.
func summarize(before, after *plimsoll.Container, changes []change) ([]plimsoll.Patch, error) {
	budget := maxPatchBytes
	was, is := newDraft(before, &budget), newDraft(after, &budget)
	var patches []plimsoll.Patch
	seen := map[string]bool{}
	for _, c := range slices.Backward(changes) {
		key := strings.Join(c.path, "\x00")
		if seen[key] {
			continue
		}
		seen[key] = true
		old, had, err := was.lookup(c.path)
		if err != nil {
			return nil, fault(c.source, err)
		}
		value, has, err := is.lookup(c.path)
		if err != nil {
			return nil, fault(c.source, err)
		}
		if had == has && same(old, value) {
			continue
		}
		patch := plimsoll.Patch{Field: c.field, Source: c.source}
		if has {
			if patch.Value, err = encoded(value); err != nil {
				return nil, fault(c.source, err)
			}
		}
		patches = append(patches, patch)
	}
	slices.SortFunc(patches, func(a, b plimsoll.Patch) int { return strings.Compare(a.Field, b.Field) })
	return patches, nil
}
