// What the reader makes of broken YAML: which repairs are sure, and what is told when they are not.
#include "deploy/validate/yaml_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "deploy/validate.h"
#include "deploy/validate/fix.h"
#include "deploy/validate/yaml_tabs.h"

namespace hadal {
namespace {

using Rules = std::vector<std::string>;

constexpr char kHead[] = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n";

Rules rules_of(const std::string& text, const std::string& path = "a.yaml") {
  const ManifestFile file{path, text};
  Rules out;
  for (const Finding& f : validate_manifests({&file, 1}).findings) {
    if (f.severity != Severity::kInfo || f.rule == "yaml/helm-template")
      out.push_back(f.rule + "@" + std::to_string(f.line) + (f.safe_fix ? "!" : ""));
  }
  return out;
}

std::string fixed(const std::string& text) {
  std::vector<ManifestFile> files{{"a.yaml", text}};
  apply_safe_fixes(files, {});
  return files[0].text;
}

TEST(Tabs, TakeTheDepthThatTheLinesAroundLeaveAlone) {
  // Between two siblings.
  EXPECT_EQ(fixed(std::string(kHead) + "  hostNetwork: false\n\thostPID: false\n  containers:\n"
                                       "  - {name: c, image: r/x:1}\n"),
            std::string(kHead) +
                "  hostNetwork: false\n  hostPID: false\n  containers:\n"
                "  - {name: c, image: r/x:1}\n");
  // Below a key that has nothing else.
  EXPECT_EQ(fixed("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\ndata: {}\n"),
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {}\n");
  // An item among items, and its second line.
  const std::string items =
      "  containers:\n  - name: c\n    image: r/x:1\n    args:\n    - a\n\t- b\n    - c\n    env:\n"
      "\t- name: A\n\t  value: b\n    - name: B\n      value: c\n";
  const std::string right =
      "  containers:\n  - name: c\n    image: r/x:1\n    args:\n    - a\n    - b\n    - c\n    env:\n"
      "    - name: A\n      value: b\n    - name: B\n      value: c\n";
  EXPECT_EQ(fixed(kHead + items), kHead + right);
  // A whole file, comments and empty lines too.
  EXPECT_EQ(fixed("apiVersion: v1\nkind: Service\nmetadata:\n\tname: a\n\t# why\n\tlabels:\n\t\tapp: b\n\t\n"
                  "spec:\n\tports:\n\t- port: 80\n\t  name: http\n"),
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  # why\n  labels:\n    app: b\n\n"
            "spec:\n  ports:\n  - port: 80\n    name: http\n");
}

TEST(Tabs, AreLeftAloneWhereMoreThanOneDepthIsOpen) {
  const std::string texts[] = {
      // Of the container, or of the Pod?
      "  containers:\n  - name: c\n    image: r/x:1\n\tsecurityContext: {}\n",
      "  containers:\n  - name: c\n    image: r/x:1\n\tsecurityContext: {}\n  hostNetwork: false\n",
      // A script's own tab: how far in?
      "  containers:\n  - name: c\n    image: r/x:1\n    args:\n    - |\n      a\n\tb\n",
  };
  for (const std::string& text : texts) {
    const Rules rules = rules_of(kHead + text);
    ASSERT_EQ(rules.size(), 1u) << text;
    EXPECT_TRUE(rules[0].starts_with("yaml/tab@") && !rules[0].ends_with("!")) << rules[0];
    EXPECT_EQ(fixed(kHead + text), kHead + text);
  }
}

TEST(Tabs, NothingThatFollowsFromThemIsTold) {
  // The next document is told of as ever.
  EXPECT_EQ(rules_of(std::string(kHead) +
                     "  containers:\n  - name: c\n    image: r/x:1\n\tports: x\n  imag: y\n---\n" + kHead +
                     "  containers: [{name: C, image: r/x:1}]\n"),
            (Rules{"yaml/tab@8", "object/name@15"}));
  EXPECT_EQ(rules_of("a: b\n\tc\n\t\t- d: [\n"), Rules{"yaml/tab@2"});
}

TEST(Tabs, InsideATextAreNone) {
  const std::string text =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  Makefile: |\n    all:\n    \techo\n\t# "
      "x\n";
  EXPECT_EQ(rules_of("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  Makefile: |\n"
                     "    all:\n    \techo\n  b: c\n"),
            Rules{});
  EXPECT_EQ(fixed(text).find("    \techo\n"), text.find("    \techo\n"));
}

// Blanks become tabs in a line of a sound manifest: what --fix makes of it, where it does anything, is that
// manifest again.
TEST(Tabs, RepairsGiveTheSameTreeBack) {
  const std::string sound =
      "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\n  labels:\n    app: a\nspec:\n  "
      "replicas: 2\n"
      "  selector:\n    matchLabels:\n      app: a\n  template:\n    metadata:\n      labels:\n        app: "
      "a\n"
      "    spec:\n      containers:\n      - name: c\n        image: r/x:1\n        env:\n        - name: A\n"
      "          value: b\n        - name: B\n          value: c\n        ports:\n        - containerPort: "
      "80\n"
      "      restartPolicy: Always\n";
  const auto tree = [](const std::string& text) {
    const YamlStream stream = parse_yaml_stream(text);
    return stream.errors.empty() && !stream.documents.empty()
               ? to_json(yaml_to_json(*stream.documents[0].root, YamlSchema::kKubernetes))
               : std::string("none");
  };
  std::mt19937 random(20261122);
  int num_fixed = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text = sound;
    for (size_t left = 1 + random() % 3; left > 0; --left) {
      size_t line = text.find('\n', random() % (text.size() - 1)) + 1;
      const size_t end = std::min(text.find_first_not_of(" \t", line), text.size());
      if (line >= text.size() || end == line) continue;
      const size_t width = 1 + random() % 8;
      const size_t tabs = std::max<size_t>(1, (end - line) / width);
      text.replace(line, end - line, std::string(tabs, '\t'));
    }
    const std::string after = fixed(text);
    if (after == text) continue;
    ++num_fixed;
    if (after.find('\t') == std::string::npos) {
      EXPECT_EQ(tree(after), tree(sound)) << text << "\n" << after;
    }
  }
  EXPECT_GT(num_fixed, 100);
}

TEST(Dashes, BothColumnsAreMovedOrNone) {
  const auto pod = [](const std::string& env) {
    return std::string(kHead) + "  containers:\n  - name: c\n    image: r/x:1\n    env:\n" + env;
  };
  EXPECT_EQ(fixed(pod("    -name: HOME\n     value: /tmp\n")), pod("    - name: HOME\n      value: /tmp\n"));
  EXPECT_EQ(fixed(pod("    -name: A\n     value: b\n    -name: B\n     value: c\n")),
            pod("    - name: A\n      value: b\n    - name: B\n      value: c\n"));
  EXPECT_EQ(fixed(pod("    -name: HOME\n      value: /tmp\n")), pod("    - name: HOME\n      value: /tmp\n"));
  EXPECT_EQ(fixed(pod("    - name: A\n      value: b\n    -name: B\n     value: c\n")),
            pod("    - name: A\n      value: b\n    - name: B\n      value: c\n"));
  // Good YAML of a map: the second key goes under the first.
  EXPECT_EQ(fixed(pod("      -name: HOME\n      value: /tmp\n")),
            pod("      - name: HOME\n        value: /tmp\n"));
  EXPECT_EQ(fixed(pod("      -name: A\n      value: b\n      -name: B\n      value: c\n")),
            pod("      - name: A\n        value: b\n      - name: B\n        value: c\n"));
  // Nothing that would not be read afterwards.
  for (const char* env : {"    -name: HOME\n         value: /tmp\n", "      x: 1\n      -name: HOME\n"}) {
    const std::string text = pod(env);
    EXPECT_EQ(fixed(text), text);
  }
}

TEST(Templates, AreSaidToBeUnchecked) {
  const ManifestFile file{"a.yaml", "a: {{ .Values.x }}\n"};
  EXPECT_EQ(validate_manifests({&file, 1}).num_unchecked, 1);
  EXPECT_EQ(rules_of("{{- if x }}\na: 1\n{{- end }}\n"), Rules{"yaml/helm-template@1"});
  EXPECT_EQ(rules_of("apiVersion: v1\nkind: Pod\nmetadata:\n  {{- include \"x\" . | nindent 2 }}\n"),
            Rules{"yaml/helm-template@4"});
  const ManifestFile chart{"c/templates/x.yaml", "{{- define \"x\" }}\nfoo bar\n{{- end }}\n"};
  const ValidationReport report = validate_manifests({&chart, 1});
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].severity, Severity::kInfo);
  EXPECT_EQ(report.num_unchecked, 1);
}

// An action in a string of an action, as plug-in indexes of kubectl have it.
TEST(Templates, ActionsMayHoldStringsWithBraces) {
  EXPECT_EQ(
      rules_of("spec:\n  platforms:\n  - bin: x\n    {{addURIAndSha \"https://x/{{ .TagName }}/a.tar.gz\" "
               ".TagName | indent 6 }}\n    files: [a]\n"),
      Rules{"yaml/helm-template@5"});
  EXPECT_EQ(rules_of("a:\n- b: {{ printf \"%s}}\" .x }}\n- c\n"), Rules{"yaml/helm-template@4"});
}

TEST(Templates, OtherTextWithBracesIsAnError) {
  EXPECT_EQ(rules_of("\x01\x02{{\xff\xfe garbage }}\n"), Rules{"yaml/syntax@1"});
  EXPECT_EQ(rules_of("some prose: with {{ braces\nand more: prose: [\n").size(), 1u);
  EXPECT_TRUE(rules_of("%PDF-1.4 {{ x }}\n\x03\x04\n")[0].starts_with("yaml/syntax"));
  // The error has nothing to do with the braces, which stand in quotes.
  const std::string rule =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: \"{{ $labels.pod }}\"\n  b: [\n";
  EXPECT_TRUE(rules_of(rule).at(0).starts_with("yaml/syntax"));
  EXPECT_EQ(
      rules_of("apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\ndata:\n  a: \"{{ $labels.pod }}\"\n"),
      Rules{"yaml/tab@4!"});
}

TEST(Templates, RandomBytesAreErrors) {
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    std::string text(200, ' ');
    for (char& c : text) c = static_cast<char>(random());
    text.insert(random() % text.size(), "{{");
    const ManifestFile file{"a.yaml", text};
    EXPECT_TRUE(validate_manifests({&file, 1}).has_errors());
  }
}

}  // namespace
}  // namespace hadal
