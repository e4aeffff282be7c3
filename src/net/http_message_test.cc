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

TEST(HttpMessage, LineFaults) {
  EXPECT_FALSE(find_line_fault("GET / HTTP/1.1\r\nHost: t\r\nX: a b"));
  EXPECT_FALSE(find_line_fault("GET / HTTP/1.1\r\nHost: t\r"));  // more is to come
  EXPECT_FALSE(find_line_fault(""));
  EXPECT_TRUE(find_line_fault(" b\r\n", false));
  EXPECT_FALSE(find_line_fault("X: b\r\n", false));
  for (const char* bad :
       {"GET / HTTP/1.1\nHost: t\r\n", "\nGET", "GET / HTTP/1.1\r\nHost: t\n", "GET / HTTP/1.1\rHost: t",
        "GET / HTTP/1.1\r\nX: a\r\n b", "GET / HTTP/1.1\r\nX: a\r\n\tb", "GET / HTTP/1.1\r\n X: a"}) {
    const auto fault = find_line_fault(bad);
    ASSERT_TRUE(fault) << bad;
    EXPECT_EQ(fault->status, 400) << bad;
  }
}

TEST(HttpMessage, FramingFaults) {
  const auto status = [](std::initializer_list<HttpHeaders::Field> fields, int version = 11) {
    HttpRequest request;
    request.version = version;
    request.headers = HttpHeaders(fields);
    const auto fault = find_framing_fault(request);
    return fault ? fault->status : 0;
  };
  EXPECT_EQ(status({{"Host", "t"}}), 0);
  EXPECT_EQ(status({}, 10), 0);
  EXPECT_EQ(status({}), 400);
  EXPECT_EQ(status({{"Host", "t"}, {"host", "t"}}), 400);
  EXPECT_EQ(status({{"Host", "a"}, {"Host", "b"}}, 10), 400);
  EXPECT_EQ(status({{"Host", "t"}, {"Content-Length", "3"}}), 0);
  for (const char* bad : {"0, 0", "+1", "-1", "1 ", "0x1"}) {
    EXPECT_EQ(status({{"Host", "t"}, {"Content-Length", bad}}), 400) << bad;
  }
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "Chunked"}}), 0);
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "chunked"}}, 10), 400);
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}}), 400);
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}), 400);
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "gzip"}, {"transfer-encoding", "chunked"}}), 400);
  for (const char* bad : {"xchunked", "chunked, identity", "chunked, chunked", "identity", "gzip", "",
                          "chunked;q=1", "\"chunked\"", "chunked,"}) {
    EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", bad}}), 400) << bad;
  }
  EXPECT_EQ(status({{"Host", "t"}, {"Transfer-Encoding", "gzip, chunked"}}), 501);
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
