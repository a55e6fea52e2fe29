package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/cases"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/history"
	"crawlfleet.dev/crawlfleet/portal/live"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
	"crawlfleet.dev/crawlfleet/portal/verdict"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

// answers are the types that the API answers with. Their schemas, and those of all that is in
// them, are named package.Type.
var answers = []any{
	problem{}, purposeJSON{}, foundJSON{}, timelineJSON{}, seenJSON{}, comparison{}, history.Step{}, verdict.Verdict{}, Run{}, ownWatch{}, watches.Notice{},
	cases.Summary{}, cases.Case{}, conflictJSON{}, live.Job{},
}

// document is the description as it is served.
type document struct {
	OpenAPI    string                    `json:"openapi"`
	Paths      map[string]map[string]any `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
}

func readDocument(t *testing.T) (d document) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(openAPIDocument))
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSchemasAreTheTypes: what the description says of an answer is what the Go type is: the same
// members, of the same types, with the same ones always there. What it says more (what a member
// means, which words it may be) is for people.
func TestSchemasAreTheTypes(t *testing.T) {
	t.Parallel()
	have := readDocument(t).Components.Schemas
	want := schemasOf(t)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[name], skeleton(have[name])); diff != "" {
			as, err := json.MarshalIndent(want[name], "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			t.Errorf("components.schemas[%q] (-the type +openapi.json):\n%s\nthe type is:\n%s", name, diff, as)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok && strings.Contains(name, ".") {
			t.Errorf("components.schemas[%q]: nothing that is answered with has this type", name)
		}
	}
}

// TestEveryRouteOfTheAPIIsDescribed, and nothing else is.
func TestEveryRouteOfTheAPIIsDescribed(t *testing.T) {
	t.Parallel()
	var want, have []string
	for _, r := range (handlers{Server: &Server{}}).routes() {
		if method, path, _ := strings.Cut(r.Pattern, " "); strings.HasPrefix(path, "/api/v1/") {
			want = append(want, strings.ToLower(method)+" "+path)
		}
	}
	d := readDocument(t)
	for path, item := range d.Paths {
		for method, operation := range item {
			if method == "parameters" {
				continue
			}
			have = append(have, method+" "+path)
			if id, _ := operation.(map[string]any)["operationId"].(string); id == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("(-the routes +openapi.json):\n%s", diff)
	}
	if d.OpenAPI != "3.1.1" {
		t.Errorf("version %q", d.OpenAPI)
	}
}

// TestAnswersAreAsDescribed: what the portal answers passes the schema of the description, in
// which no further member is let pass.
func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealed(t)
	f.found(t, folder+"chunks/c0.wacz")
	start := "/api/v1/snapshots/" + string(catalog.NewID(blob.Key(folder+"chunks/c0.wacz"), "id-Start"))
	a, b := f.twoVisits(t)
	if _, err := f.server.Watches.Start(t.Context(), "default", "local", board, watches.Kinds()...); err != nil {
		t.Fatal(err)
	}
	pair := "?a=" + string(a.ID) + "&b=" + string(b.ID)
	for _, tc := range []struct{ path, of, status string }{
		{"/api/v1/snapshots?q=start", "/api/v1/snapshots", "200"},
		{start, "/api/v1/snapshots/{id}", "200"},
		{"/api/v1/snapshots/" + string(a.ID), "/api/v1/snapshots/{id}", "200"},
		{"/api/v1/compare" + pair, "/api/v1/compare", "200"},
		{"/api/v1/compare", "/api/v1/compare", "400"},
		{"/api/v1/timeline?url=https%3A%2F%2Fboard.example%2Fad%2F7", "/api/v1/timeline", "200"},
		{"/api/v1/snapshots?limit=x", "/api/v1/snapshots", "400"},
		{"/api/v1/snapshots/" + strings.Repeat("0", 32), "/api/v1/snapshots/{id}", "404"},
		{"/api/v1/timeline?url=https%3A%2F%2Fwww.example.org%2F", "/api/v1/timeline", "200"},
		{"/api/v1/timeline", "/api/v1/timeline", "400"},
		{"/api/v1/watches", "/api/v1/watches", "200"},
		{"/api/v1/watches/notices", "/api/v1/watches/notices", "200"},
		{"/api/v1/watches/notices?limit=x", "/api/v1/watches/notices", "400"},
		{"/api/v1/runs", "/api/v1/runs", "200"},
		{"/api/v1" + runPath, "/api/v1/runs/{namespace}/{name}/{uid}", "200"},
		{"/api/v1/live", "/api/v1/live", "200"},
		{"/api/v1/live/default/harbour", "/api/v1/live/{namespace}/{name}", "200"},
		{"/api/v1/live/default/none", "/api/v1/live/{namespace}/{name}", "404"},
	} {
		res := f.get(tc.path, "Accept", "application/json")
		text := body(t, res)
		if fmt.Sprint(res.StatusCode) != tc.status {
			t.Errorf("%s: %d %s", tc.path, res.StatusCode, text)
			continue
		}
		if err := validate(t, "get", tc.of, tc.status, []byte(text)); err != nil {
			t.Errorf("%s: %v\n%s", tc.path, err, text)
		}
	}
}

// found takes a file into the catalog, as the follower does.
func (f *fixture) found(t *testing.T, key blob.Key) {
	t.Helper()
	info, err := f.bucket.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	contents, hosts, err := snapshot.Read(t.Context(), f.bucket, key, info.Size)
	if err != nil {
		t.Fatal(err)
	}
	var entries []catalog.Entry
	for _, c := range contents {
		entries = append(entries, catalog.Entry{Page: c.Page, Text: c.Text})
	}
	chunk := catalog.Chunk{Key: key, Size: info.Size, Modified: info.Modified, Run: catalog.Run{Namespace: "default", Job: "ads", UID: uid}}
	if err := f.server.Catalog.(*catalog.Catalog).Add(t.Context(), chunk, entries, hosts); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	res := newFixture(t).get("/api/v1/openapi.json")
	if text := body(t, res); res.StatusCode != http.StatusOK || text != string(openAPIDocument) || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/vnd.oai.openapi+json") {
		t.Errorf("%d %s %.100s", res.StatusCode, res.Header.Get("Content-Type"), text)
	}
}

// validate checks an answer against its schema.
func validate(t *testing.T, method, path, status string, raw []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPIDocument))
	if err != nil {
		t.Fatal(err)
	}
	seal(doc)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	operation, _ := readDocument(t).Paths[path][method].(map[string]any)
	responses, _ := operation["responses"].(map[string]any)
	response, described := responses[status].(map[string]any)
	if !described {
		return fmt.Errorf("%s %s: an answer %s is not described", method, path, status)
	}
	at, shared := response["$ref"].(string)
	if !shared {
		at = "#/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + method + "/responses/" + status
	}
	at = "openapi.json" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(at)
	schema, err := c.Compile(at + "/content/application~1json/schema")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// seal forbids further members wherever a schema names some.
func seal(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, v := range s {
			seal(v)
		}
	case map[string]any:
		if _, names := s["properties"].(map[string]any); names && s["type"] == "object" {
			s["additionalProperties"] = false
		}
		for _, v := range s {
			seal(v)
		}
	}
}

// skeleton is what a schema says of the shape of a value.
func skeleton(schema any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return schema
	}
	bare := map[string]any{}
	for key, v := range s {
		switch key {
		case "type", "$ref":
			bare[key] = v
		case "format":
			if v == "date-time" {
				bare[key] = v
			}
		case "required":
			names := slices.Clone(v.([]any))
			slices.SortFunc(names, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			bare[key] = names
		case "items", "additionalProperties":
			bare[key] = skeleton(v)
		case "properties":
			members := map[string]any{}
			for name, member := range v.(map[string]any) {
				members[name] = skeleton(member)
			}
			bare[key] = members
		}
	}
	return bare
}

// schemasOf are the skeletons of the types that are answered with.
func schemasOf(t *testing.T) map[string]any {
	t.Helper()
	r := reflection{t: t, known: map[string]any{}}
	for _, v := range answers {
		r.of(reflect.TypeOf(v))
	}
	return r.known
}

// reflection derives schemas from types as encoding/json writes them.
type reflection struct {
	t     *testing.T
	known map[string]any
}

func (r *reflection) of(typ reflect.Type) map[string]any {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case typ.Kind() == reflect.Struct && typ.Name() != "":
		name := schemaName(typ)
		if _, ok := r.known[name]; !ok {
			r.known[name] = nil // it may be in itself
			r.known[name] = r.object(typ)
		}
		return map[string]any{"$ref": "#/components/schemas/" + name}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return r.of(typ.Elem())
	case reflect.Struct:
		return r.object(typ)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": any(r.of(typ.Elem()))}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": any(r.of(typ.Elem()))}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	r.t.Fatalf("%s: no schema is known for it", typ)
	return nil
}

// schemaName is package.Type, and package.Type.package.Of for a generic type.
func schemaName(typ reflect.Type) string {
	name, of, generic := strings.Cut(typ.Name(), "[")
	name = path.Base(typ.PkgPath()) + "." + strings.ToUpper(name[:1]) + name[1:]
	if generic {
		name += "." + path.Base(strings.TrimSuffix(of, "]"))
	}
	return name
}

// object is the schema of a struct.
func (r *reflection) object(typ reflect.Type) map[string]any {
	all := map[string]member{}
	r.members(typ, 0, true, all)
	properties, required := map[string]any{}, []any{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		properties[name] = r.of(all[name].typ)
		if all[name].always {
			required = append(required, name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// member is one of an object in JSON; depth is how deeply the struct that has it is embedded.
type member struct {
	typ    reflect.Type
	depth  int
	always bool
}

// members collects those of a struct and of what is embedded in it. Of two with one name the one
// that is embedded less deeply counts. (reflect.VisibleFields goes by the names in Go.)
// Those of one that may be left out are not always there.
func (r *reflection) members(typ reflect.Type, depth int, set bool, all map[string]member) {
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case f.Anonymous && name == "":
			r.members(embedded, depth+1, set && !strings.Contains(options, "omit"), all)
			continue
		case name == "-" || !f.IsExported():
			continue
		case name == "":
			r.t.Fatalf("%s.%s has no name in JSON", typ, f.Name)
		}
		before, twice := all[name]
		if twice && before.depth == depth {
			r.t.Fatalf("%s: %q is there twice, so that neither is written", typ, name)
		}
		if !twice || depth < before.depth {
			all[name] = member{f.Type, depth, set && !strings.Contains(options, "omit")}
		}
	}
}
