package service

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// plimsollV1 is plimsoll.v1.ContainerService: what containerd's APIs lack.
type plimsollV1 struct {
	*Service
}

// Bounds on pages, of containers and of history.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
	// maxPageBytes bounds the messages of one answer. grpc-go's clients take 4 MiB
	// unless they are told otherwise.
	maxPageBytes = 3 << 20
)

// messageBytes is what a message takes in another.
func messageBytes(m proto.Message) int {
	size := proto.Size(m)
	return size + protowire.SizeVarint(uint64(size)) + 1 //nolint:gosec // not negative
}

func pageSize(asked int32) (int, error) {
	switch {
	case asked < 0:
		return 0, &plimsoll.RequestError{Field: "page_size", Problem: "is negative"}
	case asked == 0:
		return defaultPageSize, nil
	}
	return int(min(asked, maxPageSize)), nil
}

var nameForm = regexp.MustCompile(`^[a-z][a-z_]*$`)

func isName(path string) bool { return nameForm.MatchString(path) }

func protoName(path string) protoreflect.Name { return protoreflect.Name(path) }

// filterFieldsPlimsoll are the fields that filters of this API know.
var filterFieldsPlimsoll = []string{
	"id", "image", "runtime", "runtime.name", "snapshotter", "snapshot_key", "sandbox_id", "labels.KEY",
}

func filterFieldPlimsoll(c *plimsoll.Container, path []string) (string, bool) {
	switch path[0] {
	case "id":
		return c.ID, true
	case "image":
		return c.Image, c.Image != ""
	case "runtime":
		return c.Runtime.Name, true
	case "snapshotter":
		return c.Snapshotter, c.Snapshotter != ""
	case "snapshot_key":
		return c.SnapshotKey, c.SnapshotKey != ""
	case "sandbox_id":
		return c.SandboxID, c.SandboxID != ""
	case "labels":
		value, ok := c.Labels[strings.Join(path[1:], ".")]
		return value, ok
	}
	return "", false
}

// parseFilters parses filters of which one must hold. None selects all.
func parseFilters(texts, fields []string, field filterField) (storage.Query, error) {
	if len(texts) > maxFilters {
		return storage.Query{}, &plimsoll.RequestError{Field: "filters", Problem: fmt.Sprintf("has more than %d filters", maxFilters)}
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	if size > maxFilterBytes {
		return storage.Query{}, &plimsoll.RequestError{
			Field: "filters", Problem: fmt.Sprintf("have %d bytes together; at most %d are allowed", size, maxFilterBytes),
		}
	}
	var matches []func(*plimsoll.Container) bool
	for _, text := range texts {
		query, err := parseFilter(text, fields, field)
		if err != nil || len(texts) == 1 {
			return query, err
		}
		if query.Match == nil { // one that selects all
			return storage.Query{}, nil
		}
		matches = append(matches, query.Match)
	}
	if len(matches) == 0 {
		return storage.Query{}, nil
	}
	return storage.Query{Match: func(c *plimsoll.Container) bool {
		return slices.ContainsFunc(matches, func(match func(*plimsoll.Container) bool) bool { return match(c) })
	}}, nil
}

// GetContainer implements plimsoll.v1.ContainerService.
func (s plimsollV1) GetContainer(ctx context.Context, req *plimsollv1.GetContainerRequest) (*plimsollv1.GetContainerResponse, error) {
	mask, err := parseReadMask(req.GetReadMask())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	if len(req.GetReadMask().GetPaths()) == 0 {
		mask.all = true
	}
	c, err := s.get(ctx, req.GetId())
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	answerRevision(ctx, c.Revision)
	return &plimsollv1.GetContainerResponse{Container: mask.apply(c)}, nil
}

// ListContainers implements plimsoll.v1.ContainerService.
func (s plimsollV1) ListContainers(ctx context.Context, req *plimsollv1.ListContainersRequest) (*plimsollv1.ListContainersResponse, error) {
	res, err := s.listPage(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s plimsollV1) listPage(ctx context.Context, req *plimsollv1.ListContainersRequest) (*plimsollv1.ListContainersResponse, error) {
	query, err := parseFilters(req.GetFilters(), filterFieldsPlimsoll, filterFieldPlimsoll)
	if err != nil {
		return nil, err
	}
	if query.Namespace, err = s.namespace(requestHeader(ctx)); err != nil {
		return nil, err
	}
	mask, err := parseReadMask(req.GetReadMask())
	if err != nil {
		return nil, err
	}
	order, err := parseOrder(req.GetOrderBy())
	if err != nil {
		return nil, err
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	token, err := readPageToken(req, query.Namespace)
	if err != nil {
		return nil, err
	}
	view, err := s.pages.open(ctx, s.store, token.Revision)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()

	res := &plimsollv1.ListContainersResponse{Revision: uint64(view.Revision())}
	if req.GetCountTotal() {
		var total int64
		for _, err := range view.Scan(ctx, query) {
			if err != nil {
				return nil, err
			}
			total++
		}
		res.TotalSize = &total
	}
	bytes, last := 0, ""
	for c, err := range order.scan(ctx, view, query, token.After, size+1, mask.payloads()) {
		if err != nil {
			return nil, err
		}
		v := mask.apply(c)
		if bytes += messageBytes(v); len(res.GetContainers()) == size || bytes > maxPageBytes && len(res.GetContainers()) > 0 {
			res.NextPageToken = pageToken{Revision: view.Revision(), After: last, Digest: token.Digest}.String()
			return res, s.pages.hold(ctx, view)
		}
		res.Containers = append(res.Containers, v)
		last = order.place(c)
	}
	return res, nil
}

// order is what containers are sorted by; equals are sorted by id.
type order struct {
	// key returns what to sort by; nil for the id.
	key        func(*plimsoll.Container) string
	descending bool
}

func parseOrder(text string) (order, error) {
	field, direction, _ := strings.Cut(text, " ")
	var o order
	switch field {
	case "", "id":
	case "created_at":
		o.key = func(c *plimsoll.Container) string { return sortableTime(c.CreatedAt) }
	case "updated_at":
		o.key = func(c *plimsoll.Container) string { return sortableTime(c.UpdatedAt) }
	default:
		field, direction = "", "?"
	}
	switch {
	case direction == "desc" && field != "":
		o.descending = true
	case direction != "":
		return o, &plimsoll.RequestError{Field: "order_by", Problem: fmt.Sprintf(
			`%q is none of id, created_at, updated_at, each with " desc" after it or not`, clip(text, maxMetadataBytes))}
	}
	return o, nil
}

// sortableTime sorts as t does.
func sortableTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000") }

// place is where c is in the order: places compare as containers do.
func (o order) place(c *plimsoll.Container) string {
	if o.key == nil {
		return c.ID
	}
	return o.key(c) + "/" + c.ID
}

// scan yields the first of what query selects after a place, empty for all; at most a
// number of them, unless they are sorted by ascending ids.
func (o order) scan(
	ctx context.Context, view storage.View, query storage.Query, after string, limit int, payloads bool,
) iter.Seq2[*plimsoll.Container, error] {
	if o.key == nil && !o.descending {
		query.After, query.WithPayloads = after, payloads
		return view.Scan(ctx, query)
	}
	return func(yield func(*plimsoll.Container, error) bool) {
		type placed struct {
			place string
			*plimsoll.Container
		}
		var first []placed
		sort := func() {
			slices.SortFunc(first, func(a, b placed) int { return o.compare(a.place, b.place) })
			first = first[:min(limit, len(first))]
		}
		for c, err := range view.Scan(ctx, query) {
			if err != nil {
				yield(nil, err)
				return
			}
			if place := o.place(c); after == "" || o.compare(place, after) > 0 {
				first = append(first, placed{place, c})
			}
			if len(first) == 2*limit+64 { // no more than that need be held
				sort()
			}
		}
		sort()
		for _, p := range first {
			c, err := p.Container, error(nil)
			if payloads {
				c, err = view.Get(ctx, plimsoll.Key{Namespace: query.Namespace, ID: c.ID})
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

func (o order) compare(a, b string) int {
	if o.descending {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// GetHistory implements plimsoll.v1.ContainerService.
func (s plimsollV1) GetHistory(ctx context.Context, req *plimsollv1.GetHistoryRequest) (*plimsollv1.GetHistoryResponse, error) {
	res, err := s.historyPage(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s plimsollV1) historyPage(ctx context.Context, req *plimsollv1.GetHistoryRequest) (*plimsollv1.GetHistoryResponse, error) {
	namespace, err := s.namespace(requestHeader(ctx))
	if err != nil {
		return nil, err
	}
	if err := checkLookup("id", req.GetId()); err != nil {
		return nil, err
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	token, err := readPageToken(req, namespace)
	if err != nil {
		return nil, err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	res := &plimsollv1.GetHistoryResponse{CompactedRevision: uint64(view.Compacted())}
	key, bytes := plimsoll.Key{Namespace: namespace, ID: req.GetId()}, 0
	for e, err := range s.store.History(ctx, key, token.Revision) {
		if err != nil {
			return nil, err
		}
		event := toEvent(e)
		if bytes += messageBytes(event); len(res.GetEvents()) == size || bytes > maxPageBytes && len(res.GetEvents()) > 0 {
			// A commit has at most one change of a container: the next page begins with e.
			res.NextPageToken = pageToken{Revision: e.Revision, Digest: token.Digest}.String()
			break
		}
		res.Events = append(res.Events, event)
	}
	return res, nil
}
