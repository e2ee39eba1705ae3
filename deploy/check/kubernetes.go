package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	apps "k8s.io/api/apps/v1"
	scaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// cluster is what the manifests describe.
type cluster struct {
	deployments []apps.Deployment
	services    []core.Service
	budgets     []policy.PodDisruptionBudget
	scalers     []scaling.HorizontalPodAutoscaler
	claims      []core.PersistentVolumeClaim
	spaces      []core.Namespace
	errs        []error
}

func (c *cluster) fault(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// kubernetes checks every manifest that the kustomization of dir names.
func kubernetes(dir string) error {
	var list struct {
		meta.TypeMeta `json:",inline"`
		Namespace     string   `json:"namespace"`
		Resources     []string `json:"resources"`
		Images        []struct {
			Name    string `json:"name"`
			NewName string `json:"newName"`
			NewTag  string `json:"newTag"`
		} `json:"images"`
	}
	text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(text, &list)
	}
	if err != nil {
		return fmt.Errorf("kustomization.yaml: %w", err)
	}
	named := map[string]bool{"kustomization.yaml": true}
	c := new(cluster)
	for _, name := range list.Resources {
		named[name] = true
		c.read(filepath.Join(dir, name))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if !named[filepath.Base(path)] {
			c.fault("%s is not among the resources of kustomization.yaml", path)
		}
	}
	c.consistent(list.Namespace)
	return errors.Join(c.errs...)
}

// read decodes the documents of a file into the types of Kubernetes; unknown fields are errors.
func (c *cluster) read(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		c.fault("%w", err)
		return
	}
	for i, doc := range bytes.Split(text, []byte("\n---\n")) {
		var kind meta.TypeMeta
		if err := yaml.Unmarshal(doc, &kind); err != nil {
			c.fault("%s, document %d: %w", path, i+1, err)
			continue
		}
		if err := c.decode(kind, doc); err != nil {
			c.fault("%s, document %d: %w", path, i+1, err)
		}
	}
}

func (c *cluster) decode(kind meta.TypeMeta, doc []byte) error {
	switch kind.APIVersion + " " + kind.Kind {
	case "apps/v1 Deployment":
		return add(&c.deployments, doc)
	case "v1 Service":
		return add(&c.services, doc)
	case "policy/v1 PodDisruptionBudget":
		return add(&c.budgets, doc)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return add(&c.scalers, doc)
	case "v1 PersistentVolumeClaim":
		return add(&c.claims, doc)
	case "v1 Namespace":
		return add(&c.spaces, doc)
	}
	return fmt.Errorf("%s %s is no kind that this check knows", kind.APIVersion, kind.Kind)
}

func add[T any](to *[]T, doc []byte) error {
	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		return err
	}
	*to = append(*to, v)
	return nil
}

// consistent checks that what names something else names what is there.
func (c *cluster) consistent(namespace string) {
	if len(c.spaces) != 1 || c.spaces[0].Name != namespace {
		c.fault("the namespace is not %s", namespace)
	}
	if len(c.deployments) != 1 || len(c.services) == 0 || len(c.budgets) != 1 || len(c.scalers) != 1 {
		c.fault("there must be one deployment, disruption budget and autoscaler, and a service")
		return
	}
	d := &c.deployments[0]
	pod := &d.Spec.Template
	for what, selector := range map[string]map[string]string{
		"the deployment": d.Spec.Selector.MatchLabels, "the disruption budget": c.budgets[0].Spec.Selector.MatchLabels,
	} {
		if !selects(selector, pod.Labels) {
			c.fault("%s selects %v, which its pods are not: %v", what, selector, pod.Labels)
		}
	}
	if ref := c.scalers[0].Spec.ScaleTargetRef; ref.Kind != "Deployment" || ref.Name != d.Name {
		c.fault("the autoscaler scales %s %s, not %s", ref.Kind, ref.Name, d.Name)
	}
	ports := make(map[string]int32)
	mounts := make(map[string]bool)
	for i := range pod.Spec.Containers {
		for _, p := range pod.Spec.Containers[i].Ports {
			ports[p.Name] = p.ContainerPort
		}
		c.container(&pod.Spec.Containers[i], ports)
		for _, m := range pod.Spec.Containers[i].VolumeMounts {
			mounts[m.Name] = true
		}
	}
	for i := range c.services {
		s := &c.services[i]
		if !selects(s.Spec.Selector, pod.Labels) {
			c.fault("service %s selects no pod", s.Name)
		}
		for _, p := range s.Spec.Ports {
			c.port(p.TargetPort, ports, "service "+s.Name)
		}
	}
	for _, v := range pod.Spec.Volumes {
		if !mounts[v.Name] {
			c.fault("volume %s is mounted nowhere", v.Name)
		}
		delete(mounts, v.Name)
		if claim := v.PersistentVolumeClaim; claim != nil && (len(c.claims) != 1 || c.claims[0].Name != claim.ClaimName) {
			c.fault("volume %s names no claim", v.Name)
		}
	}
	for name := range maps.Keys(mounts) {
		c.fault("there is no volume %s", name)
	}
}

// container checks one container, and prints its command and the settings that it has.
func (c *cluster) container(k *core.Container, ports map[string]int32) {
	s := k.SecurityContext
	if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		c.fault("container %s may become root or write to its image", k.Name)
	}
	for what, probe := range map[string]*core.Probe{"startup": k.StartupProbe, "liveness": k.LivenessProbe, "readiness": k.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			c.fault("container %s has no %s probe by HTTP", k.Name, what)
			continue
		}
		c.port(probe.HTTPGet.Port, ports, what+" probe")
		if ready := strings.HasSuffix(probe.HTTPGet.Path, "/ready"); ready != (what == "readiness") {
			c.fault("%s probe asks for %s", what, probe.HTTPGet.Path)
		}
	}
	fmt.Println("command", strings.Join(k.Args, " "))
	for _, e := range k.Env {
		if strings.HasPrefix(e.Name, "PROTEI_BULK_") {
			fmt.Println("setting", e.Name)
		}
	}
}

func (c *cluster) port(p intstr.IntOrString, known map[string]int32, what string) {
	if _, ok := known[p.StrVal]; p.Type != intstr.String || !ok {
		c.fault("%s: the container has no port named %q", what, p.String())
	}
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}
