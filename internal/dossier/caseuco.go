package dossier

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// node is an object of a graph in JSON-LD 1.1.
type node map[string]any

// caseContext are the namespaces of CASE and UCO 1.x (https://caseontology.org,
// https://unifiedcyberontology.org).
var caseContext = node{
	"kb":                 "urn:crawlfleet:dossier:",
	"case-investigation": "https://ontology.caseontology.org/case/investigation/",
	"uco-action":         "https://ontology.unifiedcyberontology.org/uco/action/",
	"uco-core":           "https://ontology.unifiedcyberontology.org/uco/core/",
	"uco-identity":       "https://ontology.unifiedcyberontology.org/uco/identity/",
	"uco-observable":     "https://ontology.unifiedcyberontology.org/uco/observable/",
	"uco-tool":           "https://ontology.unifiedcyberontology.org/uco/tool/",
	"uco-types":          "https://ontology.unifiedcyberontology.org/uco/types/",
	"uco-vocabulary":     "https://ontology.unifiedcyberontology.org/uco/vocabulary/",
	"xsd":                "http://www.w3.org/2001/XMLSchema#",
}

// graph gathers the objects of case.jsonld.
type graph struct {
	seed  string
	nodes []any
	ids   map[string]bool
}

// caseJSON writes the dossier as CASE/UCO in JSON-LD: an investigation, the authorisations, each
// capture as an investigative action with the tool that did it, and what it resulted in, by
// exhibit. Identifiers follow from the content: the same dossier gives the same graph.
func caseJSON(d *Dossier) ([]byte, error) {
	g := &graph{seed: d.Case, ids: map[string]bool{}}
	var authorizations []any
	for i := range d.Exhibits {
		if a := g.exhibit(&d.Exhibits[i]); a != nil {
			authorizations = append(authorizations, a)
		}
	}
	investigation := node{
		"@id": g.id("investigation", d.Case), "@type": "case-investigation:Investigation", "uco-core:name": d.Case,
		"uco-core:object": g.references(),
	}
	if len(authorizations) > 0 {
		investigation["case-investigation:relevantAuthorization"] = authorizations
	}
	g.nodes = append(g.nodes, investigation)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(node{"@context": caseContext, "@graph": g.nodes})
	return b.Bytes(), err
}

// id names an object: its kind and a UUID that follows from what it is (RFC 9562, version 8).
func (g *graph) id(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{g.seed, kind}, parts...), "\x00")))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("kb:%s-%x-%x-%x-%x-%x", kind, u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// add adds an object once, and returns a reference to it.
func (g *graph) add(n node) node {
	id := n["@id"].(string)
	if !g.ids[id] {
		g.ids[id] = true
		g.nodes = append(g.nodes, n)
	}
	return node{"@id": id}
}

// references are those to all objects so far.
func (g *graph) references() []any {
	refs := make([]any, len(g.nodes))
	for i, n := range g.nodes {
		refs[i] = node{"@id": n.(node)["@id"]}
	}
	return refs
}

// exhibit adds a capture and what it resulted in, and returns the authorisation, nil for none.
func (g *graph) exhibit(e *Exhibit) any {
	p := e.Page
	results := []any{g.file(e, snapshotName, "application/wacz", e.SHA256, e.Size)}
	for _, f := range []struct {
		name, mime string
		content    []byte
	}{{"screenshot.png", "image/png", p.Screenshot}, {"text.txt", "text/plain", p.Text}} {
		if len(f.content) > 0 {
			derived := g.file(e, f.name, f.mime, fmt.Sprintf("%x", sha256.Sum256(f.content)), int64(len(f.content)))
			results = append(results, derived)
			g.add(node{
				"@id": g.id("relationship", e.Number, f.name), "@type": "uco-observable:ObservableRelationship", "uco-core:source": derived,
				"uco-core:target": results[0], "uco-core:kindOfRelationship": "Derived_From", "uco-core:isDirectional": true,
			})
		}
	}
	for _, r := range p.Pictures() {
		results = append(results, g.picture(e, r))
	}
	record := g.add(node{
		"@id": g.id("provenance-record", e.Number), "@type": "case-investigation:ProvenanceRecord", "case-investigation:exhibitNumber": e.Number,
		"uco-core:description": "What capturing " + p.URL + " resulted in", "uco-core:object": results,
	})
	action := node{
		"@id": g.id("investigative-action", e.Number), "@type": "case-investigation:InvestigativeAction", "uco-core:name": "Capture of a web page",
		"uco-action:startTime": dateTime(p.Started), "uco-action:endTime": dateTime(p.Ended), "uco-action:object": []any{g.address(p.URL)},
		"uco-action:result": append([]any{record}, results...),
	}
	f := e.Report.Facts
	if f == nil {
		g.add(action)
		return nil
	}
	action["uco-action:instrument"] = []any{g.add(node{
		"@id": g.id("tool", f.Software.Name, f.Software.Version, f.Software.Executable), "@type": "uco-tool:Tool", "uco-core:name": f.Software.Name,
		"uco-tool:toolType": "Web archiving", "uco-tool:version": f.Software.Version,
	})}
	a := f.Authorization
	if a == nil {
		g.add(action)
		return nil
	}
	action["uco-action:performer"] = g.add(node{
		"@id": g.id("identity", a.RequestedBy), "@type": "uco-identity:Identity", "uco-core:name": a.RequestedBy,
	})
	g.add(action)
	authorization := node{
		"@id": g.id("authorization", a.Reference, a.Purpose, a.Basis), "@type": "case-investigation:Authorization", "case-investigation:authorizationType": a.Basis,
		"case-investigation:authorizationIdentifier": []any{a.Reference}, "uco-core:description": a.Purpose,
	}
	if a.NotBefore != nil {
		authorization["uco-core:startTime"] = dateTime(*a.NotBefore)
	}
	if a.NotAfter != nil {
		authorization["uco-core:endTime"] = dateTime(*a.NotAfter)
	}
	return g.add(authorization)
}

// file adds a file of the dossier.
func (g *graph) file(e *Exhibit, name, mime, sum string, size int64) node {
	return g.add(node{
		"@id": g.id("file", e.Number, name), "@type": "uco-observable:File",
		"uco-core:hasFacet": []any{
			node{"@id": g.id("file-facet", e.Number, name), "@type": "uco-observable:FileFacet", "uco-observable:fileName": name, "uco-observable:filePath": payloadDir + e.path(name), "uco-observable:sizeInBytes": size},
			g.content(g.id("content-data-facet", e.Number, name), mime, sum, size),
		},
	})
}

// picture adds a picture that the page had, as received.
func (g *graph) picture(e *Exhibit, r Resource) node {
	sum := strings.TrimPrefix(r.SHA256, "sha256:")
	return g.add(node{
		"@id": g.id("picture", e.Number, r.Record), "@type": "uco-observable:ObservableObject", "uco-core:description": "A picture of the page, in the WARC record " + r.Record,
		"uco-core:hasFacet": []any{
			node{"@id": g.id("url-facet", e.Number, r.Record), "@type": "uco-observable:URLFacet", "uco-observable:fullValue": r.URL},
			g.content(g.id("content-data-facet", e.Number, r.Record), r.MIME, sum, r.Size),
		},
	})
}

// content is what is known of bytes.
func (g *graph) content(id, mime, sum string, size int64) node {
	return node{
		"@id": id, "@type": "uco-observable:ContentDataFacet", "uco-observable:mimeType": mime, "uco-observable:sizeInBytes": size,
		"uco-observable:hash": []any{node{
			"@id": id + "-hash", "@type": "uco-types:Hash", "uco-types:hashMethod": node{"@type": "uco-vocabulary:HashNameVocab", "@value": "SHA256"},
			"uco-types:hashValue": node{"@type": "xsd:hexBinary", "@value": sum},
		}},
	}
}

// address adds a URL.
func (g *graph) address(url string) node {
	return g.add(node{
		"@id": g.id("url", url), "@type": "uco-observable:URL",
		"uco-core:hasFacet": []any{node{"@id": g.id("url-facet", url), "@type": "uco-observable:URLFacet", "uco-observable:fullValue": url}},
	})
}

func dateTime(t time.Time) node {
	return node{"@type": "xsd:dateTime", "@value": t.UTC().Format(time.RFC3339Nano)}
}
