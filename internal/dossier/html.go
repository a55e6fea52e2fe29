package dossier

import (
	"bytes"
	_ "embed" // for the template
	"html/template"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report.html").Parse(reportHTML))

// html writes the report as one page without scripts, which loads nothing but the pictures
// beside it.
func (d document) html() ([]byte, error) {
	var b bytes.Buffer
	err := reportTemplate.Execute(&b, d)
	return b.Bytes(), err
}
