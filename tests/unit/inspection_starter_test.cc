// SPDX-License-Identifier: Apache-2.0
/// @file The signatures that weft ships: each finds its samples in a real exchange, wherever they are cut and whatever
/// chunks they come in, and leaves ordinary traffic alone.
#include <fstream>
#include <set>
#include <sstream>

#include "http_inspecting.h"
#include "registry-sync/parse.h"

namespace weft::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string text_of_file(const std::string& name) {
  std::ifstream file(std::string(WEFT_SOURCE_ROOT) + "/" + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// As the shipped policy says it, but enforced, and whatever is found denies.
const std::vector<Signature>& shipped() {
  static const std::vector<Signature> signatures = [] {
    const registry::ParsedFile parsed = registry::parse_file("starter", text_of_file("share/inspection-starter.yaml"));
    EXPECT_TRUE(parsed.errors.empty()) << parsed.errors.front().message;
    EXPECT_EQ(parsed.resources.inspections.size(), 1U);
    std::vector<Signature> all = parsed.resources.inspections.at(0)->rules.signatures;
    for (Signature& signature : all) {
      signature.action = Action::deny;
    }
    return all;
  }();
  return signatures;
}

struct Sample {
  const Signature* signature = nullptr;
  std::string text;
  bool is_found = false;
  bool is_form = false;
};

std::vector<Sample> samples() {
  std::vector<Sample> all;
  std::istringstream file(text_of_file("tests/inspection/starter_samples.txt"));
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    Sample sample;
    sample.is_form = line[0] == 'f';
    line.erase(0, sample.is_form ? 1 : 0);
    sample.is_found = line[0] == '+';
    const size_t end = line.find(' ', 2);
    const std::string name = line.substr(2, end - 2);
    sample.text = line.substr(end + 1);
    for (const Signature& signature : shipped()) {
      sample.signature = signature.name == name ? &signature : sample.signature;
    }
    EXPECT_NE(sample.signature, nullptr) << name;
    all.push_back(std::move(sample));
  }
  return all;
}

/// With blanks as a client would have to send them.
std::string as_target(std::string text) {
  for (size_t at = text.find(' '); at != std::string::npos; at = text.find(' ')) {
    text.replace(at, 1, "%20");
  }
  return text;
}

struct Whole {
  std::string head;
  std::string body;
};

/// The sample in a message of its kind. @param chunk 0: with a length
Whole message_of(const Sample& sample, size_t chunk) {
  const std::string type = sample.is_form ? "Content-Type: application/x-www-form-urlencoded\r\n" : "";
  if (sample.signature->part == Part::target) {
    return {request(as_target(sample.text)), ""};
  }
  if (sample.signature->part == Part::header) {
    return {request("/", sample.text + "\r\n"), ""};
  }
  const std::string text = "before it " + sample.text + "  and after";
  const std::string framing = type + (chunk > 0 ? std::string("Transfer-Encoding: chunked\r\n")
                                                : "Content-Length: " + std::to_string(text.size()) + "\r\n");
  return {sample.signature->message == Message::request ? request("/", framing, "POST")
                                                        : "HTTP/1.1 200 OK\r\n" + framing + "\r\n",
          chunk > 0 ? chunked(text, chunk) : text};
}

class StarterSignatures : public HttpInspecting {
 protected:
  /// Is it found if it is cut there?
  bool is_denied(const Whole& whole, size_t cut, bool is_request) {
    const std::string text = whole.head + whole.body;
    const std::string_view view = text;
    if (is_request) {
      return ask_in_parts({view.substr(0, cut), view.substr(cut)}).client.starts_with("HTTP/1.1 403 ");
    }
    bool was_reset = false;
    const std::string got = answer_in_parts({view.substr(0, cut), view.substr(cut)}, was_reset);
    return was_reset || got.starts_with("HTTP/1.1 502 ");
  }
};

TEST(Starter, EachSignatureHasASampleOfEitherKind) {
  std::set<std::pair<std::string, bool>> had;
  for (const Sample& sample : samples()) {
    had.emplace(sample.signature->name, sample.is_found);
  }
  for (const Signature& signature : shipped()) {
    EXPECT_TRUE(had.contains({signature.name, true})) << signature.name;
    EXPECT_TRUE(had.contains({signature.name, false})) << signature.name;
  }
  EXPECT_GE(shipped().size(), 35U);
}

TEST_F(StarterSignatures, FindTheirSamplesAndNotTheOthers) {
  for (const Sample& sample : samples()) {
    inspect({*sample.signature});
    const Whole whole = message_of(sample, 0);
    EXPECT_EQ(is_denied(whole, 0, sample.signature->message == Message::request), sample.is_found)
        << sample.signature->name << ": " << sample.text;
  }
}

TEST_F(StarterSignatures, FindThemWhereverTheyAreCut) {
  for (const Sample& sample : samples()) {
    if (!sample.is_found) {
      continue;
    }
    inspect({*sample.signature});
    const Whole whole = message_of(sample, 0);
    const size_t size = whole.head.size() + whole.body.size();
    const bool is_request = sample.signature->message == Message::request;
    for (size_t cut = whole.body.empty() ? 1 : whole.head.size(); cut < size; ++cut) {
      EXPECT_TRUE(is_denied(whole, cut, is_request)) << sample.signature->name << " at " << cut << ": " << sample.text;
    }
  }
  expect_all_given_back();
}

TEST_F(StarterSignatures, FindThemWhateverChunksTheyComeIn) {
  for (const Sample& sample : samples()) {
    if (!sample.is_found || sample.signature->part != Part::body) {
      continue;
    }
    inspect({*sample.signature});
    const bool is_request = sample.signature->message == Message::request;
    for (size_t chunk = 1; chunk <= sample.text.size() + 10; ++chunk) {
      const Whole whole = message_of(sample, chunk);
      EXPECT_TRUE(is_denied(whole, 0, is_request)) << sample.signature->name << " in chunks of " << chunk;
      // And over a border of segments, in each chunk's middle once.
      EXPECT_TRUE(is_denied(whole, whole.head.size() + whole.body.size() / 2, is_request)) << sample.text;
    }
  }
  expect_all_given_back();
}

TEST_F(StarterSignatures, LeaveOrdinaryTrafficAlone) {
  inspect(shipped());
  for (const char* target :
       {"/", "/index.html?utm_source=news&utm_medium=e-mail", "/search?q=rock+%26+roll+union+jack",
        "/search?q=select+a+union+of+sets", "/api/v1/users?filter=name%20eq%20'O''Brien'%20and%20age%20gt%205",
        "/oauth/callback?code=abc&state=x%3D%3D&redirect_uri=https%3A%2F%2Fexample.com%2Fa%2F..%2Fb",
        "/static/app.1f2e3d.js", "/maps/@52.5,13.4,12z/data=!3m1!4b1", "/wiki/C%2B%2B_(language)",
        "/graphql?query=%7Buser(id:1)%7Bname,email%7D%7D", "/?price=%24(5)&x=$%7Bname%7D", "/files/a..b/c...d",
        "/.well-known/acme-challenge/xyz", "/items;v=1?sort=-price|name", "/news/drop-table-tennis?on=load"}) {
    EXPECT_EQ(exchange_once(request(target)).client, kOkHeard) << target << " " << signature_of_last();
  }
  for (const char* field :
       {"User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Safari/537.36",
        "Cookie: _ga=GA1.2.3.4; session={\"a\":1}; theme=() dark", "Referer: https://example.com/search?q=a'b",
        "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc", "If-None-Match: W/\"5f-16\"",
        "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}) {
    EXPECT_EQ(exchange_once(request("/", std::string(field) + "\r\n")).client, kOkHeard) << field;
  }
  for (const char* body :
       {"{\"query\": \"the union has to select its president\", \"n\": [1, 2, 3]}",
        "<!DOCTYPE html><html><head><title>Index</title></head><body "
        "onload=\"f()\"><script>go();</script></body></html>",
        "name=Tom+O%27Brien+or+Ann&note=50%25+off%3B+drop+by+our+table", "-----BEGIN CERTIFICATE-----\nMIIB\n",
        "The key AKIA is a prefix; root: none. at the top (see README.md:12)"}) {
    EXPECT_EQ(exchange_once(post("/", body)).client, kOkHeard) << body << " " << signature_of_last();
    EXPECT_THAT(exchange_once(kGet, response(200, "", body)).client, StartsWith("HTTP/1.1 200 ")) << body;
  }
}

}  // namespace
}  // namespace weft::proxy
