#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "hub/byte_ranges.h"
#include "hub/digest.h"
#include "hub/file_filter.h"
#include "hub/hub_json.h"
#include "hub/model_ref.h"
#include "hub/peer_list.h"
#include "hub/peer_names.h"
#include "hub/range_answer.h"
#include "hub/sigv4.h"
#include "hub/web_address.h"
#include "hub/xml_reader.h"

namespace hadal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = RangeAnswer::Kind;

TEST(RangeSet, IsASetOfBytes) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < 200; ++round) {
    RangeSet set;
    std::vector<bool> bytes(64);
    for (int step = 0; step < 40; ++step) {
      const int64_t begin = static_cast<int64_t>(random() % 64);
      const int64_t end = begin + static_cast<int64_t>(random() % static_cast<unsigned>(65 - begin));
      const bool add = random() % 3 != 0;
      add ? set.add({begin, end}) : set.remove({begin, end});
      std::fill(bytes.begin() + begin, bytes.begin() + end, add);
      ASSERT_EQ(set.total(), std::count(bytes.begin(), bytes.end(), true));
      const auto first_gap = std::find(bytes.begin(), bytes.end(), false) - bytes.begin();
      ASSERT_EQ(set.prefix_end(), first_gap);
      std::vector<bool> gaps(64);
      for (const ByteRange& gap : set.missing({0, 64}))
        std::fill(gaps.begin() + gap.begin, gaps.begin() + gap.end, true);
      gaps.flip();
      ASSERT_EQ(gaps, bytes);
      const auto all = std::all_of(bytes.begin() + begin, bytes.begin() + end, [](bool b) { return b; });
      ASSERT_EQ(set.covers({begin, end}), all);
    }
  }
}

TEST(Glob, Matches) {
  EXPECT_TRUE(path_matches("*.safetensors", "a/b.safetensors"));
  EXPECT_TRUE(path_matches("config.json", "sub/config.json"));
  EXPECT_FALSE(path_matches("/config.json", "sub/config.json"));
  EXPECT_TRUE(path_matches("original/", "original/a/b"));
  EXPECT_FALSE(path_matches("original/", "originals/a"));
  EXPECT_TRUE(path_matches("model-0000[1-3]-of-*.safetensors", "model-00002-of-00163.safetensors"));
  EXPECT_FALSE(path_matches("model-0000[!1-3]*", "model-00002"));
  EXPECT_TRUE(path_matches("a?c", "abc"));
  EXPECT_TRUE(path_matches("a\\*c", "a*c"));
  EXPECT_FALSE(path_matches("a\\*c", "abc"));
  EXPECT_TRUE(path_matches("[", "["));
  EXPECT_TRUE(glob_matches("**/x", "a/b/x"));
  EXPECT_TRUE(glob_matches("", ""));
  // Stars do not multiply the work.
  EXPECT_FALSE(glob_matches(std::string(500, '*') + "b", std::string(5000, 'a')));
  std::string stars;
  for (int i = 0; i < 200; ++i) stars += "a*";
  EXPECT_FALSE(glob_matches(stars + "b", std::string(5000, 'a')));
}

TEST(FileFilter, RefusesUnsafePaths) {
  for (const char* bad : {"", "/a", "../a", "a/../b", "a//b", "a/", "./a", ".hadal-model.json",
                          ".hadal-pull/1", "a\nb", "a\\b", "\x1b[2J"}) {
    EXPECT_FALSE(check_file_path(bad).ok()) << bad;
  }
  EXPECT_FALSE(check_file_path(std::string(300, 'a')).ok());
  for (const char* good : {"a", "a/b.c", "...", "a/.hidden", "ä ö.json", "x/.hadal-like"})
    EXPECT_TRUE(check_file_path(good).ok()) << good;
  EXPECT_FALSE(check_file_paths({{"a"}, {"a"}}).ok());
  EXPECT_FALSE(check_file_paths({{"a/b"}, {"a"}}).ok());
}

std::vector<std::string> chosen(const std::vector<std::string>& names, const FileFilter& filter = {}) {
  std::vector<RemoteFile> files;
  for (const std::string& name : names) files.push_back({name, 1});
  const auto choice = choose_files(files, filter);
  std::vector<std::string> out;
  if (!choice.ok()) return {choice.error().message};
  for (const RemoteFile& file : choice->files) out.push_back(file.path);
  return out;
}

TEST(FileFilter, ChoosesWhatIsNeeded) {
  EXPECT_THAT(chosen({"config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "q.gguf",
                      "a.png", "consolidated.safetensors", "tokenizer.model"}),
              ElementsAre("config.json", "model.safetensors", "tokenizer.model"));
  EXPECT_THAT(chosen({"a.gguf", "b.gguf"}), ElementsAre("a.gguf", "b.gguf"));
  EXPECT_THAT(chosen({"config.json", "x.PTH"}), ElementsAre(HasSubstr("pickles alone")));
  EXPECT_THAT(chosen({"config.json", "x.pth"}, {{}, {}, true, false}), ElementsAre("config.json", "x.pth"));
  EXPECT_THAT(chosen({"a.safetensors", "q.gguf"}, {{"*.gguf"}, {}, false, false}), ElementsAre("q.gguf"));
  EXPECT_THAT(chosen({"a.json", "b.json"}, {{}, {"a*"}, false, false}), ElementsAre("b.json"));
}

TEST(RetryAfter, SecondsAndDates) {
  EXPECT_EQ(parse_retry_after("120", 0), 120);
  EXPECT_EQ(parse_retry_after(" 0 ", 0), 0);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1445412480 - 30), 30);
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1445412480 + 30), 0);
  EXPECT_EQ(parse_retry_after("99999999999999999999", 0), 365 * 86400);
  for (const char* bad : {"", "-5", "1.5", "soon", "0x10", "12 34 56"})
    EXPECT_EQ(parse_retry_after(bad, 0), std::nullopt) << bad;
}

TEST(WebAddress, RedirectsAndOrigins) {
  EXPECT_EQ(*redirect_target("https://a.com/x/y", "/z?q=1"), "https://a.com/z?q=1");
  EXPECT_EQ(*redirect_target("http://a.com/x/y", "https://b.com/s?sig=a%2Bb"), "https://b.com/s?sig=a%2Bb");
  EXPECT_FALSE(redirect_target("https://a.com/x", "http://a.com/x").ok());
  EXPECT_FALSE(redirect_target("https://a.com/x", "file:///etc/passwd").ok());
  EXPECT_FALSE(redirect_target("https://a.com/x", "").ok());
  EXPECT_TRUE(same_origin("https://a.com/x", "https://A.com:443/y"));
  EXPECT_FALSE(same_origin("https://a.com/x", "https://a.com:444/x"));
  EXPECT_FALSE(same_origin("https://a.com/x", "http://a.com/x"));
  EXPECT_FALSE(same_origin("https://a.com/x", "https://a.com.evil.com/x"));
  EXPECT_EQ(shown_url("https://user:pw@a.com/x?sig=s#f"), "https://a.com/x");
  EXPECT_EQ(web_host("https://user:p@w@a.com:8/x"), "a.com:8");
  std::string user;
  EXPECT_EQ(*without_user_info("https://u:p%40@a.com/x?y", user), "https://a.com/x?y");
  EXPECT_EQ(user, "u:p@");
  EXPECT_EQ(next_link("<https://a/1>; rel=\"prev\", <https://a/2>; rel=\"next\""), "https://a/2");
  EXPECT_EQ(next_link("nonsense <"), "");
}

RangeAnswer judge(int status, const HttpHeaders& headers,
                  RangeQuestion question = {{100, 200}, 1000, "\"v\""}) {
  return judge_answer(question, status, headers);
}

TEST(RangeAnswer, BelievesOnlyWhatFits) {
  const auto part =
      judge(206, {{"Content-Range", "bytes 100-199/1000"}, {"ETag", "\"v\""}, {"Content-Length", "100"}});
  EXPECT_EQ(part.kind, Kind::kPart);
  EXPECT_EQ(part.range, (ByteRange{100, 200}));
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-149/*"}}).kind, Kind::kPart);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-200/1000"}}).kind, Kind::kBroken);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 99-198/1000"}}).kind, Kind::kBroken);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-199/1001"}}).kind, Kind::kChanged);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-199/1000"}, {"ETag", "\"w\""}}).kind, Kind::kChanged);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-199/1000"}, {"Content-Length", "99"}}).kind,
            Kind::kBroken);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-199/1000"}, {"Content-Encoding", "gzip"}}).kind,
            Kind::kBroken);
  EXPECT_EQ(judge(206, {}).kind, Kind::kBroken);
  EXPECT_EQ(judge(206, {{"Content-Range", "bytes 100-199/1000"}, {"Content-Range", "bytes 0-1/2"}}).kind,
            Kind::kBroken);
  EXPECT_EQ(judge(200, {{"Content-Length", "1000"}}).kind, Kind::kWhole);
  EXPECT_EQ(judge(200, {{"Content-Length", "999"}}).kind, Kind::kChanged);
  EXPECT_EQ(judge(302, {{"Location", "/x"}}).kind, Kind::kRedirect);
  EXPECT_EQ(judge(302, {}).kind, Kind::kBroken);
  EXPECT_EQ(judge(429, {}).kind, Kind::kThrottled);
  EXPECT_EQ(judge(503, {{"Retry-After", "3"}}).kind, Kind::kThrottled);
  EXPECT_EQ(judge(503, {}).kind, Kind::kBroken);
  EXPECT_EQ(judge(403, {}).kind, Kind::kRefused);
  EXPECT_EQ(judge(404, {}).kind, Kind::kMissing);
  EXPECT_EQ(judge(412, {}).kind, Kind::kChanged);
  EXPECT_EQ(judge(400, {}).kind, Kind::kFatal);
  ByteRange range;
  int64_t size = 0;
  for (const char* bad : {"", "bytes", "bytes 1-0/5", "bytes 0-5/5", "bytes -1-2/5", "bytes 0-1",
                          "items 0-1/2", "bytes 0-9223372036854775807/*", "bytes 0-1/x", "bytes a-b/c"}) {
    EXPECT_FALSE(parse_content_range(bad, range, size)) << bad;
  }
}

TEST(Digest, OfFilesAndParts) {
  const std::string data = "hello world";
  const auto outcome = [&](const Checksum& checksum) {
    FileHasher hasher(checksum, static_cast<int64_t>(data.size()));
    for (char c : data) hasher.update({&c, 1});
    return hasher.finish();
  };
  EXPECT_EQ(outcome({}).sha256, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
  // git hash-object
  EXPECT_TRUE(outcome({Checksum::Kind::kGitSha1, "95d09f2b10159347eece71399a7e2e907ea3df4f"}).matches);
  EXPECT_TRUE(outcome({Checksum::Kind::kMd5, "5eb63bbbe01eeed093cb22bb8f5acdc3"}).matches);
  const auto parts = digest_of(DigestKind::kSha256, "hello") + digest_of(DigestKind::kSha256, " worl") +
                     digest_of(DigestKind::kSha256, "d");
  EXPECT_TRUE(
      outcome({Checksum::Kind::kSha256OfParts, to_hex(digest_of(DigestKind::kSha256, parts)), 5}).matches);
  EXPECT_FALSE(outcome({Checksum::Kind::kSha256, std::string(64, '0')}).matches);
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(from_base64(to_base64(text)), text);
    EXPECT_EQ(from_hex(to_hex(text)), text);
  }
}

// docs.aws.amazon.com, "Signature calculations for the Authorization header", example GET Object.
TEST(SigV4, ThePublishedExample) {
  SigningRequest request;
  request.host = "examplebucket.s3.amazonaws.com";
  request.path = "/test.txt";
  request.headers = {{"Range", "bytes=0-9"}};
  request.payload_sha256 = kEmptySha256;
  const AwsCredentials keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  const auto fields = sign_v4(request, keys, "us-east-1", "s3", "20130524T000000Z");
  EXPECT_THAT(*fields.find("Authorization"),
              HasSubstr("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
  EXPECT_EQ(sign_v4(request, {}, "us-east-1", "s3", "20130524T000000Z").find("Authorization"), nullptr);
  EXPECT_EQ(s3_query({{"b", "1=2"}, {"a", ""}, {"a b", "+/"}}), "a=&a%20b=%2B%2F&b=1%3D2");
  EXPECT_EQ(amz_date(1369353600), "20130524T000000Z");
}

TEST(Xml, ReadsWhatStoresSend) {
  const auto node = parse_xml(
      "<?xml version=\"1.0\"?>\n<!-- c --><a:R x=\"<>\"><K>a&amp;b&#x41;&lt;</K><K>2</K><E/></a:R>\n");
  ASSERT_TRUE(node.ok()) << node.error().message;
  EXPECT_EQ(node->name, "R");
  EXPECT_EQ(node->value("K"), "a&bA<");
  EXPECT_EQ(node->children.size(), 3u);
  for (const char* bad : {"", "<a>", "<a></b>", "<a", "<!DOCTYPE a><a/>", "<a>&unknown;</a>", "<a>&#0;</a>",
                          "<a/><b/>", "<a b=c/>", "<a>&#xD800;</a>", "x<a/>"}) {
    EXPECT_FALSE(parse_xml(bad).ok()) << bad;
  }
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_xml(deep).ok());
}

TEST(HubJson, ReadsListsAndRefusesNonsense) {
  std::vector<RemoteFile> files;
  ASSERT_TRUE(parse_hf_tree(R"([{"type":"directory","path":"d","size":0},
      {"type":"file","path":"a","size":3,"oid":"95d09f2b10159347eece71399a7e2e907ea3df4f"},
      {"type":"file","path":"b","size":9,"oid":"x","lfs":{"oid":"B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9","size":10}}])",
                            files)
                  .ok());
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].checksum.kind, Checksum::Kind::kGitSha1);
  EXPECT_EQ(files[1].checksum.hex.substr(0, 8), "b94d27b9");
  EXPECT_EQ(files[1].size, 10);
  for (const char* bad :
       {"", "{}", "[{\"type\":\"file\"}]", "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1}]", "["})
    EXPECT_FALSE(parse_hf_tree(bad, files).ok()) << bad;
  EXPECT_FALSE(parse_hf_commit("{\"sha\":\"main\"}").ok());
  EXPECT_FALSE(parse_modelscope_files("{\"Code\":404,\"Message\":\"gone\"}", files).ok());
  EXPECT_EQ(hub_error_text("{\"error\":\"a\\nb\"}"), "a b");
}

TEST(ModelRef, WhatIsMeant) {
  const auto ref = [](const std::string& text) { return parse_model_ref({text}); };
  EXPECT_EQ(ref("deepseek-ai/DeepSeek-R1")->repository, "deepseek-ai/DeepSeek-R1");
  EXPECT_EQ(ref("r1")->repository, "deepseek-ai/DeepSeek-R1");
  EXPECT_EQ(ref("deepseek-r1@v2")->revision, "v2");
  EXPECT_EQ(ref("hf:a/b@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(ref("ms:a/b")->kind, ModelRef::Kind::kModelScope);
  EXPECT_EQ(ref("s3://bucket/x/y/")->prefix, "x/y");
  EXPECT_EQ(ref("s3://bucket/x/y/")->name, "y");
  EXPECT_EQ(ref("https://h/a/m.gguf?x=1")->name, "m");
  for (const char* bad : {"", "hf:", "a/b/c", "a b/c", "hf:a/b@", "hf:a/b@../x", "s3://", "s3://b",
                          "https://h", "https://h/", "/nonexistent/dir", "hf:../..", "nothing"}) {
    EXPECT_FALSE(ref(bad).ok()) << bad;
  }
  EXPECT_FALSE(parse_model_ref({"https://h/a", "hf:a/b"}).ok());
  // A repository that the catalog knows elsewhere, by its whole name; by a short name nobody could mean it.
  EXPECT_EQ(ref("ms:HuggingFaceTB/SmolLM2-135M-Instruct")->repository, "HuggingFaceTB/SmolLM2-135M-Instruct");
  EXPECT_FALSE(ref("ms:smollm2-135m").ok());
  EXPECT_NE(ref("r1-distill-qwen-70b").error().message.find("did you mean r1-distill-"), std::string::npos);
  EXPECT_NE(ref("s3://b/x").error().message.find("3 to 63"), std::string::npos);
}

TEST(PeerNames, ANameOfSeveralHostsIsSeveralPeers) {
  std::vector<std::string> addresses;
  const LookUp look_up = [&](const std::string& name) {
    EXPECT_EQ(name, "peers");
    return addresses;
  };
  using Urls = std::vector<std::string>;
  EXPECT_EQ(peers_of("http://peers:8081", look_up), Urls{});
  addresses = {"10.0.0.1"};
  EXPECT_EQ(peers_of("http://peers:8081", look_up), Urls{"http://peers:8081"});
  addresses = {"10.0.0.1", "fd00::1"};
  EXPECT_EQ(peers_of("http://peers:8081/x", look_up),
            (Urls{"http://10.0.0.1:8081/x", "http://[fd00::1]:8081/x"}));
  EXPECT_EQ(peers_of("https://other:1", look_up), Urls{"https://other:1"});
  EXPECT_EQ(peers_of("http://10.1.1.1:1", look_up), Urls{"http://10.1.1.1:1"});
  EXPECT_EQ(peers_of("http://[fd00::1]:1", look_up), Urls{"http://[fd00::1]:1"});
}

TEST(PeerNames, GivesEachPeerOnce) {
  PeerNames names(
      {"http://10.0.0.1:1", "http://a:1", "http://10.0.0.2:1"}, [] {},
      [](const std::string&) {
        return std::vector<std::string>{"10.0.0.2", "10.0.0.3"};
      });
  EXPECT_EQ(names.take_new(),
            (std::vector<std::string>{"http://10.0.0.1:1", "http://10.0.0.2:1", "http://10.0.0.3:1"}));
  EXPECT_TRUE(names.take_new().empty());
}

TEST(PeerList, GivesWhatCanBeChecked) {
  PeerManifest manifest;
  manifest.files = {{"a", 100, "", false, {}}, {"b", 50, std::string(64, 'b'), true, {}}};
  manifest.files[0].there.add({0, 40});
  const auto back = parse_peer_manifest(peer_manifest_text(manifest));
  ASSERT_TRUE(back.ok()) << back.error().message;
  PeerList peers({"http://n:1/"});
  EXPECT_TRUE(peers.waiting());
  peers.take_manifest(0, *back, PeerList::Clock::now());
  RemoteFile a{"a", 100, {Checksum::Kind::kGitSha1, std::string(40, 'a')}};
  ByteRange range{10, 90};
  EXPECT_EQ(peers.find(a, range, 0), 0);
  EXPECT_EQ(range, (ByteRange{10, 40}));
  range = {40, 90};
  EXPECT_EQ(peers.find(a, range, 0), -1);
  RemoteFile unknown{"b", 50};
  range = {0, 50};
  EXPECT_EQ(peers.find(unknown, range, 0), -1);
  RemoteFile other{"b", 50, {Checksum::Kind::kSha256, std::string(64, 'c')}};
  EXPECT_EQ(peers.find(other, range, 0), -1);
  for (const char* bad : {"", "{}", R"({"format":1,"files":[{"path":"../x","size":1}]})",
                          R"({"format":1,"files":[{"path":"x","size":1,"ranges":[[0,2]]}]})"}) {
    EXPECT_FALSE(parse_peer_manifest(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace hadal
