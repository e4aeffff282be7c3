#include <algorithm>
#include <set>

#include "deploy/emit.h"
#include "deploy/emit_files.h"

namespace hadal {
namespace {

// Encloses the name of a value of the chart, U+E000: no spec can hold it (see check_spec_text), and it is the
// same in YAML and in the JSON inside.
constexpr std::string_view kMark = "\xEE\x80\x80";

constexpr std::string_view kTemplateFiles[] = {"foundation.yaml", "storage.yaml",  "download.yaml",
                                               "workload.yaml",   "services.yaml", "operations.yaml"};

std::string mark(std::string_view name) {
  return std::string(kMark) + std::string(name) + std::string(kMark);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

bool is_engine(const Json& container) {
  const Json* name = container.find("name");
  return container.find("resources") != nullptr && name != nullptr && name->is_string() &&
         (name->as_string() == "engine" || name->as_string() == "main" ||
          name->as_string() == "kserve-container" || name->as_string() == "preflight") &&
         container.find("image") != nullptr;
}

template <typename Visit>
void for_each_object(Json& value, const Visit& visit) {
  if (value.is_array()) {
    for (Json& item : value.as_array()) for_each_object(item, visit);
  } else if (value.is_object()) {
    visit(value);
    for (auto& [key, member] : value.as_object()) for_each_object(member, visit);
  }
}

Json* member(Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  for (auto& [name, value] : object.as_object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

// What the chart lets its user change, and the values that give back what was rendered.
class ChartValues {
 public:
  ChartValues(const DeploySpec& spec, const std::vector<RenderedObject>& objects) : spec_(spec) {
    std::set<std::string> images, cpus, memories;
    for (RenderedObject object : objects) {
      for_each_object(object.object, [&](Json& value) {
        if (!is_engine(value)) return;
        if (value.find("name")->as_string() != "preflight") images.insert(value.find("image")->as_string());
        const Json* requests = value.find("resources")->find("requests");
        if (requests == nullptr || value.find("name")->as_string() == "preflight") return;
        if (const Json* cpu = requests->find("cpu")) cpus.insert(cpu->as_string());
        if (const Json* memory = requests->find("memory")) memories.insert(memory->as_string());
      });
    }
    if (images.size() == 1) image_ = *images.begin();
    // A frontend asks for other resources than its workers: then they stay as they are.
    if (cpus.size() == 1) cpu_ = *cpus.begin();
    if (memories.size() == 1) memory_ = *memories.begin();
  }

  void put_marks(Json& object) {
    const std::string_view kind = object.find("kind")->as_string();
    if (kind == "Deployment" || kind == "LeaderWorkerSet") mark_replicas(object);
    for_each_object(object, [&](Json& value) {
      if (Json* image = member(value, "image");
          image != nullptr && image->is_string() && !image_.empty() && image->as_string() == image_)
        *image = mark("image");
      if (!is_engine(value)) return;
      for (std::string_view part : {"requests", "limits"}) {
        Json* resources = member(*member(value, "resources"), part);
        if (resources == nullptr) continue;
        if (Json* cpu = member(*resources, "cpu"); cpu != nullptr && !cpu_.empty())
          *cpu = mark("resources.cpu");
        if (Json* memory = member(*resources, "memory"); memory != nullptr && !memory_.empty())
          *memory = mark("resources.memory");
      }
    });
  }

  std::string values_yaml() const {
    Json values;
    std::vector<FieldComment> comments;
    const auto add = [&](std::string_view name, Json value, std::string_view comment) {
      comments.push_back({std::string(name), std::string(comment)});
      values.set(name, std::move(value));
    };
    add("namespace", spec_.ns, "Of every object.");
    if (has_namespace_)
      add("createNamespace", true,
          "Render the Namespace too; false where it is there already, or helm --create-namespace makes it.");
    if (!image_.empty()) add("image", image_, "Of the engine.");
    if (has_replicas_)
      add("replicas", spec_.replicas,
          "Instances. The disruption budget is made for this number: render again for another.");
    Json resources;
    if (!cpu_.empty()) resources.set("cpu", cpu_);
    if (!memory_.empty()) resources.set("memory", memory_);
    if (!resources.is_null())
      add("resources", std::move(resources), "Of each rank; /dev/shm counts in the memory.");
    return "# All else follows from the spec: change it there and render again.\n" +
           to_yaml(values, comments);
  }

  void note_namespace() { has_namespace_ = true; }

 private:
  void mark_replicas(Json& object) {
    const Json* component = object.find("metadata")->find("labels")->find("app.kubernetes.io/component");
    Json* spec = member(object, "spec");
    Json* replicas = spec == nullptr ? nullptr : member(*spec, "replicas");
    if (replicas == nullptr || component == nullptr || component->as_string() != "server") return;
    *replicas = mark("replicas");
    has_replicas_ = true;
  }

  const DeploySpec& spec_;
  std::string image_, cpu_, memory_;
  bool has_replicas_ = false, has_namespace_ = false;
};

// Go templates instead of marks; braces that were there before stay text.
std::string to_template(std::string text) {
  replace_all(text, "{{", "{{ \"{{\" }}");
  const std::string mark_text(kMark);
  replace_all(text, "\"" + mark_text + "replicas" + mark_text + "\"", "{{ .Values.replicas }}");
  for (std::string_view name : {"image", "resources.cpu", "resources.memory"})
    replace_all(text, "\"" + mark_text + std::string(name) + mark_text + "\"",
                "{{ .Values." + std::string(name) + " | quote }}");
  replace_all(text, mark_text + "namespace" + mark_text, "{{ .Values.namespace }}");
  return text;
}

std::string chart_yaml(const DeploySpec& spec) {
  Json chart;
  chart.set("apiVersion", "v2");
  chart.set("name", spec.name);
  chart.set("description", "Serves " + spec.model.ref + " with " + spec.engine.name);
  chart.set("type", "application");
  chart.set("version", "0.1.0");
  return "# Rendered by hadal: render again rather than edit.\n" + to_yaml(chart);
}

void keep_checksum(const Json& from, Json& to) {
  constexpr std::string_view kChecksum = "hadal.dev/template-checksum";
  const Json* source = from.find("metadata")->find("annotations");
  Json* metadata = member(to, "metadata");
  Json* target = metadata == nullptr ? nullptr : member(*metadata, "annotations");
  if (source == nullptr || target == nullptr || source->find(kChecksum) == nullptr) return;
  target->set(kChecksum, *source->find(kChecksum));
}

}  // namespace

std::vector<RenderedFile> helm_files(const DeploySpec& spec, const RenderResult& rendered) {
  // Rendered a second time with a mark for the namespace, which is in names, addresses and queries.
  DeploySpec marked = spec;
  marked.ns = mark("namespace");
  const auto again = render_spec(marked);
  HADAL_CHECK(again.ok() && again->objects.size() >= rendered.objects.size()) << "rendering again differs";
  ChartValues values(spec, rendered.objects);
  std::vector<RenderedFile> out;
  std::string texts[std::size(kTemplateFiles)];
  size_t index = 0;
  for (RenderedObject object : again->objects) {
    const bool is_namespace = object.object.find("kind")->as_string() == "Namespace";
    const bool was_there = !is_namespace || (spec.create_namespace && spec.ns != "default");
    if (!was_there) continue;
    keep_checksum(rendered.objects[index++].object, object.object);
    values.put_marks(object.object);
    if (is_namespace) values.note_namespace();
    std::string text = to_template(to_manifest_yaml({object}));
    if (is_namespace) text = "{{- if .Values.createNamespace }}\n" + text + "{{- end }}\n";
    texts[object.wave] += text;
  }
  out.push_back({"Chart.yaml", chart_yaml(spec)});
  out.push_back({"values.yaml", values.values_yaml()});
  for (size_t wave = 0; wave < std::size(kTemplateFiles); ++wave) {
    if (!texts[wave].empty())
      out.push_back({"templates/" + std::string(kTemplateFiles[wave]), std::move(texts[wave])});
  }
  return out;
}

}  // namespace hadal
