#include "net/http_message.h"

#include <gtest/gtest.h>

#include <random>

#include "net/sse.h"
#include "net/url.h"

namespace hadal {
namespace {

TEST(HttpMessage, HeadersIgnoreCase) {
  HttpHeaders headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(*headers.find("content-TYPE"), "a");
  EXPECT_EQ(*headers.find("X"), "1");
  EXPECT_EQ(headers.find("Y"), nullptr);
  headers.set("x", "3");
  EXPECT_EQ(headers.fields().size(), 2u);
  EXPECT_EQ(*headers.find("X"), "3");
}

TEST(HttpMessage, ListsTargetsAndEscapes) {
  EXPECT_TRUE(list_contains("keep-alive, Close ", "close"));
  EXPECT_FALSE(list_contains("closed, enclose", "close"));
  HttpRequest r;
  r.target = "/a/b?x=1?y";
  ASSERT_TRUE(split_target(r));
  EXPECT_EQ(r.path, "/a/b");
  EXPECT_EQ(r.query, "x=1?y");
  r.target = "http://host:1";
  ASSERT_TRUE(split_target(r));
  EXPECT_EQ(r.path, "/");
  r.target = "host/a";
  EXPECT_FALSE(split_target(r));
  EXPECT_EQ(percent_decode("%41%2f%zz%4"), "A/%zz%4");
  EXPECT_FALSE(is_header_value("a\r\nb"));
}

TEST(HttpMessage, Framing) {
  std::string out;
  append_chunk(out, "");
  append_chunk(out, std::string(26, 'x'));
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n");
  std::string head;
  append_response_head(head, HttpResponse{429, {{"A", "b"}}, ""}, BodyFraming::kLength, 5, false);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 429 Too Many Requests\r\nDate: "));
  EXPECT_TRUE(head.ends_with(" GMT\r\nA: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")) << head;
}

TEST(Url, Forms) {
  const auto full = parse_url("https://example.com:8443/v1?x=1#frag");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->host, "example.com");
  EXPECT_EQ(full->port, 8443);
  EXPECT_EQ(full->target, "/v1?x=1");
  EXPECT_EQ(full->authority(), "example.com:8443");
  EXPECT_EQ(parse_url("localhost")->port, 80);
  EXPECT_EQ(parse_url("http://[::1]:9/")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:9/")->authority(), "[::1]:9");
  EXPECT_EQ(parse_url("h?q")->target, "/?q");
  for (const char* bad : {"", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x:1a",
                          "http://u@x", "http://[::1", "http://a b", "http://a\n"}) {
    EXPECT_FALSE(parse_url(bad).ok()) << bad;
  }
}

std::vector<std::string> parse(std::string_view text, size_t piece) {
  std::vector<std::string> out;
  SseParser parser;
  for (size_t i = 0; i < text.size(); i += piece) {
    EXPECT_TRUE(parser
                    .push(text.substr(i, piece),
                          [&](const SseEvent& e) { out.push_back(e.event + "|" + e.data + "|" + e.id); })
                    .ok());
  }
  return out;
}

TEST(Sse, EventsAreTheSameHoweverTheyAreSplit) {
  const std::string text =
      "\xEF\xBB\xBF: comment\n\ndata: one\r\ndata:two\r\n\r\nevent: e\rdata:  x\rid: 7\r\rretry: "
      "5\n\ndata\n\ndata: cut";
  const std::vector<std::string> want = {"|one\ntwo|", "e| x|7", "||7"};
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(parse(text, piece), want) << piece;
}

TEST(Sse, LongEventsAreRefused) {
  SseParser parser(1000);
  EXPECT_FALSE(parser.push("data: " + std::string(2000, 'x'), [](const SseEvent&) {}).ok());
}

}  // namespace
}  // namespace hadal
