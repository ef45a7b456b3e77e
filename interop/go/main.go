// The driver for golang.org/x/oauth2/clientcredentials: it gets a token by client credentials and calls the API with it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type target struct {
	Name         string `json:"name"`
	DocumentWay  string `json:"document_way"`
	TokenURL     string `json:"token_url"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Scope        string `json:"scope"`
	APIURL       string `json:"api_url"`
	APIAnswer    any    `json:"api_answer"`
	APIKeyHeader string `json:"api_key_header"`
	APIKey       string `json:"api_key"`
}

type record struct {
	Client  string `json:"client"`
	Version string `json:"version"`
	Target  string `json:"target"`
	Way     string `json:"way"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail"`
}

const timeout = 10 * time.Second

var styles = map[string]oauth2.AuthStyle{
	"default": oauth2.AuthStyleAutoDetect,
	"header":  oauth2.AuthStyleInHeader,
	"form":    oauth2.AuthStyleInParams,
	"both":    oauth2.AuthStyleInHeader,
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	var file struct {
		Targets []target `json:"targets"`
	}
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, of := range file.Targets {
		for _, way := range []string{"default", "header", "form", "both"} {
			report(of, way, run(of, way, of.ClientSecret))
		}
		report(of, "wrong-secret", run(of, of.DocumentWay, "not-"+of.ClientSecret))
	}
}

// run gets a token as a user of the library would, and calls the API through the client that the library makes.
func run(of target, way, secret string) error {
	config := clientcredentials.Config{
		ClientID:     of.ClientID,
		ClientSecret: secret,
		TokenURL:     of.TokenURL,
		Scopes:       strings.Fields(of.Scope),
		AuthStyle:    styles[way],
	}
	if way == "both" { // the header and the form at once: parameters of the user's own stand in the form
		config.EndpointParams = url.Values{"client_id": {of.ClientID}, "client_secret": {secret}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, of.APIURL, nil)
	if err != nil {
		return err
	}
	if of.APIKey != "" {
		request.Header.Set(of.APIKeyHeader, of.APIKey)
	}
	answer, err := config.Client(ctx).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return check(of, answer)
}

func check(of target, answer *http.Response) error {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var value any
	if answer.StatusCode != http.StatusOK || json.Unmarshal(body, &value) != nil || !reflect.DeepEqual(value, of.APIAnswer) {
		return fmt.Errorf("the API answered %d: %.200s", answer.StatusCode, body)
	}
	return nil
}

func report(of target, way string, err error) {
	line := record{Client: "x/oauth2", Version: version(), Target: of.Name, Way: way, Outcome: "pass", Detail: "token and API call"}
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		line.Outcome, line.Detail = "refused", "RetrieveError: "+refused.ErrorCode
	case err != nil:
		line.Outcome, line.Detail = "fail", err.Error()
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "golang.org/x/oauth2" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return ""
}
