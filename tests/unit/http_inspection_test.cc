// SPDX-License-Identifier: Apache-2.0
/// @file Inspection in the proxy: what is found in a request is answered with 403, in a response with 502, however the
/// messages are cut; and what happens to those that can't be seen as a whole.
#include "http_inspecting.h"
#include "lb/fault_board.h"

namespace weft::proxy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kDenied = "HTTP/1.1 403 Forbidden\r\n";
constexpr std::string_view kBad = "HTTP/1.1 502 Bad Gateway\r\n";

TEST_F(HttpInspecting, WhatIsFoundInARequestsHeadIsAnsweredWith403) {
  inspect({looking_for(Message::request, Part::target, "../etc"),
           looking_for(Message::request, Part::header, "evil-agent")});
  const auto client = mesh.connect();
  const Told told = exchange(client, request("/a?f=..%2fetc/passwd"));
  EXPECT_THAT(told.client, StartsWith(kDenied));
  EXPECT_THAT(told.client, EndsWith("weft: the request is denied by inspection\n"));
  EXPECT_THAT(told.endpoint, IsEmpty());
  EXPECT_EQ(flags_of_last(), "SIG");
  EXPECT_EQ(signature_of_last(), "default/p for-../etc");
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "the connection goes on";
  EXPECT_EQ(signature_of_last(), "");
  EXPECT_THAT(exchange(client, request("/", "User-Agent: evil-agent/1\r\n")).client, StartsWith(kDenied));
  EXPECT_THAT(exchange(client, request("/evil-agent")).client, kOkHeard) << "it is a signature of fields";
  EXPECT_EQ(mesh.books().denied_requests, 2U);
  EXPECT_EQ(mesh.books().denied_responses, 0U);
  EXPECT_EQ(mesh.books().denied, 0U) << "that is what policies of access do";
  EXPECT_EQ(mesh.books().inspected, 6U) << "four requests and two responses";
}

TEST_F(HttpInspecting, ABodyThatCameWithItsHeadGoesNowhere) {
  inspect({looking_for(Message::request, Part::body, "attack")});
  const auto client = mesh.connect();
  const Told told = exchange(client, post("/a", "an attack"));
  EXPECT_THAT(told.client, StartsWith(kDenied));
  EXPECT_THAT(told.endpoint, IsEmpty());
  EXPECT_EQ(exchange(client, post("/a", "no at-tack")).client, kOkHeard);
  expect_all_given_back();
}

TEST_F(HttpInspecting, ARequestIsDeniedWhereverItsBodyIsCut) {
  const std::string body = "name=1 and attack=2";
  inspect({looking_for(Message::request, Part::body, "attack")});
  const std::string whole = post("/a", body);
  const size_t first = whole.size() - body.size();
  for (size_t cut = first; cut < whole.size(); ++cut) {
    const std::string_view text = whole;
    const Told told = ask_in_parts({text.substr(0, cut), text.substr(cut)});
    EXPECT_THAT(told.client, StartsWith(kDenied)) << cut;
    EXPECT_THAT(told.endpoint, Not(HasSubstr("attack"))) << cut;
  }
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < whole.size(); ++i) {
    bytes.push_back(std::string_view(whole).substr(i, 1));
  }
  EXPECT_THAT(ask_in_parts(bytes).client, StartsWith(kDenied));
  expect_all_given_back();
}

TEST_F(HttpInspecting, ARequestIsDeniedWhateverItsChunks) {
  const std::string body = "name=1 and attack=2";
  inspect({looking_for(Message::request, Part::body, "attack")});
  for (size_t size = 1; size <= body.size(); ++size) {
    const std::string whole = request("/a", "Transfer-Encoding: chunked\r\n", "POST") + chunked(body, size);
    EXPECT_THAT(ask_in_parts({whole}).client, StartsWith(kDenied)) << size;
    for (size_t cut = whole.find("\r\n\r\n") + 4; cut < whole.size(); ++cut) {
      const std::string_view text = whole;
      EXPECT_THAT(ask_in_parts({text.substr(0, cut), text.substr(cut)}).client, StartsWith(kDenied))
          << size << " " << cut;
    }
  }
  const std::string framed =
      request("/a", "Transfer-Encoding: chunked\r\n", "POST") + "6;a=attack\r\nno-one\r\n0\r\n\r\n";
  EXPECT_EQ(ask_in_parts({framed}).client, kOkHeard) << "an extension is no data";
  expect_all_given_back();
}

TEST_F(HttpInspecting, WhatIsFoundInAResponsesHeadOrWithItIsAnsweredWith502) {
  inspect({looking_for(Message::response, Part::header, "debug-token"),
           looking_for(Message::response, Part::body, "SECRET")});
  const auto client = mesh.connect();
  const Told told = exchange(client, kGet, response(200, "X-Debug: debug-token\r\n"));
  EXPECT_THAT(told.client, StartsWith(kBad));
  EXPECT_THAT(told.client, EndsWith("weft: the response is denied by inspection\n"));
  EXPECT_EQ(flags_of_last(), "SIG");
  EXPECT_EQ(signature_of_last(), "default/p for-debug-token");
  EXPECT_THAT(exchange(client, kGet, response(200, "", "a SECRET")).client, StartsWith(kBad));
  EXPECT_EQ(exchange(client, kGet).client, kOkHeard) << "the client's connection goes on";
  EXPECT_THAT(
      exchange(client, request("/", "", "HEAD"), "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 6\r\n\r\n").client,
      StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(mesh.books().denied_responses, 2U);
  EXPECT_EQ(mesh.books().denied_requests, 0U);
  expect_all_given_back();
}

TEST_F(HttpInspecting, AResponseIsDeniedWhereverItIsCut) {
  const std::string body = "this is the SECRET of all";
  inspect({looking_for(Message::response, Part::body, "SECRET")});
  struct Form {
    std::string head;
    std::string body;
  };
  std::vector<Form> forms = {{response(200, "", body).substr(0, response(200, "", body).size() - body.size()), body}};
  for (size_t size = 1; size <= body.size(); ++size) {
    forms.push_back({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(body, size)});
  }
  forms.push_back({"HTTP/1.1 200 OK\r\n\r\n", body});  // to the end of the connection
  for (const Form& form : forms) {
    const std::string whole = form.head + form.body;
    for (size_t cut = 0; cut <= form.body.size(); ++cut) {
      const std::string_view text = whole;
      bool was_reset = false;
      const std::string got =
          answer_in_parts({text.substr(0, form.head.size() + cut), text.substr(form.head.size() + cut)}, was_reset);
      EXPECT_THAT(got, Not(HasSubstr("SECRET"))) << form.head << cut;
      EXPECT_TRUE(got.starts_with(kBad) || was_reset) << form.head << cut << got;
      if (cut == form.body.size()) {
        EXPECT_THAT(got, StartsWith(kBad)) << "nothing had begun";
      }
    }
  }
  expect_all_given_back();
}

TEST_F(HttpInspecting, WhatHasBegunIsCutOffAndNeverTakenForTheWhole) {
  inspect({looking_for(Message::response, Part::body, "SECRET")});
  bool was_reset = false;
  const std::string got =
      answer_in_parts({"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789", "01SECRET01"}, was_reset);
  EXPECT_TRUE(was_reset);
  EXPECT_THAT(got, testing::AllOf(StartsWith("HTTP/1.1 200 OK"), EndsWith("0123456789")));
  EXPECT_EQ(mesh.books().denied_responses, 1U);
}

TEST_F(HttpInspecting, OnlyWhatDeniesDenies) {
  auto dry = policy_of({looking_for(Message::request, Part::target, "dry")}, "default/dry");
  dry.dry_run = true;
  inspect({dry, policy_of({looking_for(Message::request, Part::target, "log", Action::log),
                           looking_for(Message::request, Part::target, "count", Action::count),
                           looking_for(Message::response, Part::body, "hello", Action::log)})});
  EXPECT_EQ(exchange_once(request("/count")).client, kOkHeard);
  EXPECT_EQ(signature_of_last(), "default/p for-hello") << "what is only counted is in no record";
  EXPECT_EQ(exchange_once(request("/dry/log")).client, kOkHeard);
  EXPECT_EQ(signature_of_last(), "default/dry for-dry") << "the first of them";
  EXPECT_EQ(flags_of_last(), "-");
  EXPECT_EQ(mesh.books().signatures_noted, 5U);
  EXPECT_EQ(mesh.books().denied_requests + mesh.books().denied_responses, 0U);
}

TEST_F(HttpInspecting, BeyondTheBoundItPassesAndIsCountedOrIsDenied) {
  auto policy = policy_of(
      {looking_for(Message::request, Part::body, "attack"), looking_for(Message::response, Part::body, "SECRET")});
  policy.body_bytes = 16;
  inspect({policy});
  EXPECT_THAT(exchange_once(post("/", "0123456789attack and more")).client, StartsWith(kDenied)) << "within it";
  EXPECT_EQ(exchange_once(post("/", "0123456789 attack")).client, kOkHeard);
  EXPECT_EQ(mesh.books().not_seen, 1U);
  EXPECT_THAT(exchange_once(kGet, response(200, "", "0123456789 SECRET")).client, HasSubstr("SECRET"));
  EXPECT_EQ(mesh.books().not_seen, 2U);
  EXPECT_EQ(exchange_once(post("/", "0123456789012345")).client, kOkHeard);
  EXPECT_EQ(mesh.books().not_seen, 2U) << "all of it was seen";

  policy.denies_unseen = true;
  inspect({policy});
  EXPECT_THAT(exchange_once(post("/", "0123456789 harmless")).client, StartsWith(kDenied));
  EXPECT_EQ(signature_of_last(), "default/p");
  const std::string in_chunks =
      request("/", "Transfer-Encoding: chunked\r\n", "POST") + chunked("0123456789 harmless", 4);
  EXPECT_THAT(exchange_once(in_chunks).client, StartsWith(kDenied)) << "whose length nobody knew";
  EXPECT_EQ(exchange_once(post("/", "0123456789012345")).client, kOkHeard);
  EXPECT_THAT(exchange_once(kGet, response(200, "", "0123456789 harmless")).client, StartsWith(kBad));
  EXPECT_EQ(mesh.books().not_seen, 2U);
  expect_all_given_back();
}

TEST_F(HttpInspecting, WhatIsCodedIsNotSeen) {
  auto policy = policy_of({looking_for(Message::response, Part::body, "SECRET")});
  inspect({policy});
  const std::string coded = response(200, "Content-Encoding: gzip\r\n", "zzSECRET");
  EXPECT_THAT(exchange_once(kGet, coded).client, HasSubstr("zzSECRET"));
  EXPECT_EQ(mesh.books().not_seen, 1U);
  EXPECT_THAT(exchange_once(kGet, response(200, "Content-Encoding: Identity\r\n", "zzSECRET")).client,
              StartsWith(kBad));
  policy.denies_unseen = true;
  inspect({policy});
  EXPECT_THAT(exchange_once(kGet, coded).client, StartsWith(kBad));
}

TEST_F(HttpInspecting, WhatADryRunDoesNotSeeGoesOn) {
  auto dry = policy_of(
      {looking_for(Message::request, Part::body, "attack"), looking_for(Message::response, Part::body, "SECRET")},
      "default/dry");
  dry.dry_run = dry.denies_unseen = true;
  auto real = policy_of({looking_for(Message::request, Part::target, "bad")}, "default/real");
  real.denies_unseen = true;
  const std::string coded = response(200, "Content-Encoding: gzip\r\n", "zz");
  inspect({dry, real});
  EXPECT_EQ(exchange_once(post("/", "zz", "Content-Encoding: gzip\r\n")).client, kOkHeard);
  EXPECT_THAT(exchange_once(kGet, coded).client, EndsWith("zz"));
  EXPECT_EQ(mesh.books().not_seen, 2U);

  real.signatures.push_back(looking_for(Message::request, Part::body, "worse"));
  inspect({dry, real});
  EXPECT_THAT(exchange_once(post("/", "zz", "Content-Encoding: gzip\r\n")).client, StartsWith(kDenied));
  EXPECT_EQ(signature_of_last(), "default/real");
  EXPECT_THAT(exchange_once(kGet, coded).client, EndsWith("zz")) << "of responses it has none";
  EXPECT_EQ(mesh.books().denied_responses, 0U);
}

TEST_F(HttpInspecting, TrailersAreNotSeen) {
  auto policy = policy_of(
      {looking_for(Message::request, Part::body, "attack"), looking_for(Message::response, Part::body, "SECRET")});
  const std::string trailed = "4\r\nfine\r\n0\r\nX-T: attack SECRET\r\n\r\n";
  const std::string asked = request("/", "Transfer-Encoding: chunked\r\n", "POST") + trailed;
  const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + trailed;
  inspect({policy});
  EXPECT_EQ(exchange_once(asked).client, kOkHeard);
  EXPECT_THAT(exchange_once(kGet, answer).client, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(mesh.books().not_seen, 2U);
  policy.denies_unseen = true;
  inspect({policy});
  const size_t head = asked.find("\r\n\r\n") + 4;
  for (size_t cut = head; cut < asked.size(); ++cut) {
    const std::string_view text = asked;
    EXPECT_THAT(ask_in_parts({text.substr(0, cut), text.substr(cut)}).client, StartsWith(kDenied)) << cut;
  }
  EXPECT_THAT(exchange_once(kGet, answer).client, StartsWith(kBad));
  EXPECT_EQ(exchange_once(request("/", "Transfer-Encoding: chunked\r\n", "POST") + chunked("fine", 3)).client,
            kOkHeard);
  EXPECT_EQ(mesh.books().not_seen, 2U);
  expect_all_given_back();
}

TEST_F(HttpInspecting, TheRecordHasTheSignaturesNameHoweverLongItsPolicysIs) {
  const std::string policy = "default/" + std::string(100, 'p');
  inspect({policy_of({looking_for(Message::request, Part::target, "bad"),
                      looking_for(Message::request, Part::target, "log", Action::log)},
                     policy)});
  const auto expected = [](const std::string& name) {
    return "\xe2\x80\xa6" + std::string(77 - name.size(), 'p') + name;
  };
  EXPECT_THAT(exchange_once(request("/bad")).client, StartsWith(kDenied));
  EXPECT_EQ(signature_of_last(), expected(" for-bad"));
  exchange_once(request("/log"));
  EXPECT_EQ(signature_of_last(), expected(" for-log"));
}

TEST_F(HttpInspecting, NoneOfSeveralCodingsIsOverlooked) {
  auto policy = policy_of({looking_for(Message::request, Part::body, "union select"),
                           looking_for(Message::response, Part::body, "SECRET")});
  policy.denies_unseen = true;
  inspect({policy});
  for (const char* coded :
       {"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", "Content-Encoding: \r\nContent-Encoding: br\r\n",
        "Content-Encoding: identity, gzip\r\n", "Content-Encoding: ,gzip\r\n", "content-encoding: gzip,identity\r\n"}) {
    EXPECT_THAT(exchange_once(post("/", "harmless", coded)).client, StartsWith(kDenied)) << coded;
    EXPECT_THAT(exchange_once(kGet, response(200, coded, "harmless")).client, StartsWith(kBad)) << coded;
  }
  for (const char* plain : {"", "Content-Encoding: identity , Identity\r\n", "Content-Encoding: ,\t,\r\n"}) {
    EXPECT_EQ(exchange_once(post("/", "harmless", plain)).client, kOkHeard) << plain;
  }
  EXPECT_THAT(exchange_once(post("/", "q=union+sel%65ct",
                                 "Content-Type: text/plain\r\nContent-Type: application/x-www-form-urlencoded\r\n"))
                  .client,
              StartsWith(kDenied));
}

/// All streams of a worker are taken by somebody else.
struct NoStreams {
  NoStreams(const lb::Inspection& of, Message message) : inspection_of(of) {
    while (auto body = of.open_body(0, message, false)) {
      others.push_back(*body);
    }
  }
  ~NoStreams() {
    while (!others.empty()) {
      give_one();
    }
  }
  void give_one() {
    inspection_of.close_body(0, others.back());
    others.pop_back();
  }

  const lb::Inspection& inspection_of;
  std::vector<lb::Inspection::Body> others;
};

TEST_F(HttpInspecting, WithoutAStreamAMessageIsAnsweredWith503) {
  inspect({looking_for(Message::request, Part::body, "attack"), looking_for(Message::response, Part::body, "SECRET")});
  const lb::Inspection& inspection = *mesh.snapshot->services()[0].inspection;
  {
    NoStreams none(inspection, Message::request);
    const Told told = exchange_once(post("/", "attack"));
    EXPECT_THAT(told.client, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(told.client, EndsWith("weft: too many bodies are inspected at a time\n"));
    EXPECT_EQ(told.endpoint, "");
    EXPECT_EQ(flags_of_last(), "UO");
    EXPECT_EQ(exchange_once(kGet).client, kOkHeard) << "it has no body";
    none.give_one();
    EXPECT_THAT(exchange_once(post("/", "attack")).client, StartsWith(kDenied));
  }
  {
    const NoStreams none(inspection, Message::response);
    EXPECT_THAT(exchange_once(kGet).client, StartsWith("HTTP/1.1 503 "));
  }
  EXPECT_EQ(mesh.books().inspections_full, 2U);
  EXPECT_EQ(mesh.books().not_seen, 0U);
  EXPECT_FALSE(inspection.in_use());
  expect_all_given_back();
}

TEST_F(HttpInspecting, WithoutAStreamWhatDeniesNothingPassesAndIsCounted) {
  auto dry = policy_of({looking_for(Message::request, Part::body, "attack")}, "default/dry");
  dry.dry_run = true;
  inspect({dry, policy_of({looking_for(Message::request, Part::body, "log", Action::log)})});
  const NoStreams none(*mesh.snapshot->services()[0].inspection, Message::request);
  EXPECT_EQ(exchange_once(post("/", "attack")).client, kOkHeard);
  EXPECT_EQ(mesh.books().not_seen, 1U);
  EXPECT_EQ(mesh.books().inspections_full, 0U);
}

TEST_F(HttpInspecting, FormsAreSeenDecoded) {
  inspect({looking_for(Message::request, Part::body, "union select")});
  constexpr std::string_view kForm = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
  EXPECT_THAT(exchange_once(post("/", "q=union+sel%65ct", kForm)).client, StartsWith(kDenied));
  EXPECT_EQ(exchange_once(post("/", "q=union+sel%65ct")).client, kOkHeard);
}

TEST_F(HttpInspecting, ARouteIsNoWayAroundThePoliciesOfWhereItLeads) {
  lb::HttpRule rule{.backends = {backend(2)}};
  const auto leading = [&] {
    return http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})});
  };
  const std::vector<lb::InspectionRules> theirs = {policy_of(
      {looking_for(Message::request, Part::target, "bad"), looking_for(Message::request, Part::body, "attack"),
       looking_for(Message::response, Part::body, "SECRET")},
      "default/theirs")};
  mesh.publish({leading(), inspecting(http_service("default/s2", 2, {2}), theirs)});
  EXPECT_EQ(exchange_once(kGet).client, kOkHeard);
  EXPECT_THAT(exchange_once(request("/bad")).client, StartsWith(kDenied));
  EXPECT_THAT(exchange_once(post("/", "attack")).client, StartsWith(kDenied));
  EXPECT_THAT(exchange_once(kGet, response(200, "", "SECRET")).client, StartsWith(kBad));
  const std::string late = post("/", "one at a time: attack");
  mesh.publish({inspecting(leading(), {policy_of({looking_for(Message::request, Part::body, "time")}, "default/ours")}),
                inspecting(http_service("default/s2", 2, {2}), theirs)});
  const std::string other = post("/", "now and then: attack");
  const std::string_view text = other;
  EXPECT_THAT(ask_in_parts({text.substr(0, text.size() - 3), text.substr(text.size() - 3)}).client,
              StartsWith(kDenied));
  EXPECT_THAT(ask_in_parts({late}).client, StartsWith(kDenied));
  expect_all_given_back();
}

/// The first attempt is at a service without policies, and what of the body it got was looked into by nobody.
class HttpInspectingRetries : public HttpInspecting {
 protected:
  /// Endpoint 2 has no policies, and 3 has these.
  void publish_retrying(std::vector<lb::InspectionRules> theirs) {
    lb::HttpRule rule{.backends = {backend(2), backend(3)}, .retry = lb::HttpRetry{.attempts = 20, .codes = {503}}};
    mesh.publish({http_service("default/web", 1, {1}, {lb::AppProtocol::http, route_table({{"/", rule}})}),
                  http_service("default/s2", 2, {2}), inspecting(http_service("default/s3", 3, {3}), theirs)});
  }
  /// Each attempt is answered by 503 until the service without policies has failed so often and the other one, if it
  /// lets the request in, has answered as often.
  std::string ask_until(std::string_view asked, int failures, int answers) {
    const auto client = mesh.connect();
    mesh.say(client, asked);
    std::string got;
    for (int i = 0; i < 60 && got.empty(); ++i) {
      for (HttpMesh::Heard& heard : mesh.heard()) {
        const bool is_theirs = number_of(heard.endpoint) == 3;
        answers -= is_theirs ? 1 : 0;
        failures -= is_theirs ? 0 : 1;
        mesh.say(heard.id, answers <= 0 && failures <= 0 ? kOk : std::string_view(kFailed));
      }
      mesh.pass(std::chrono::milliseconds(60));
      got = mesh.hear_client(client);
    }
    mesh.reset(client);
    return got;
  }
  static constexpr std::string_view kFailed = "HTTP/1.1 503 Said\r\nDate: x\r\nContent-Length: 0\r\n\r\n";
};

TEST_F(HttpInspectingRetries, AnotherAttemptIsNoWayAroundThem) {
  publish_retrying({policy_of(
      {looking_for(Message::request, Part::target, "passwd"), looking_for(Message::request, Part::header, "evil-agent"),
       looking_for(Message::request, Part::body, "attack")},
      "default/theirs")});
  const std::vector<std::string> asked = {
      post("/?f=../../etc/passwd", "harmless"), post("/", "harmless", "X-A: evil-agent\r\n"), post("/", "an attack"),
      request("/", "Transfer-Encoding: chunked\r\n", "POST") + chunked("an attack", 2)};
  for (const std::string& each : asked) {
    for (int i = 0; i < 8; ++i) {  // as chance has it, the first attempt is at either
      EXPECT_THAT(ask_until(each, 1000, 1000), StartsWith(kDenied)) << each;
    }
  }
  EXPECT_EQ(mesh.books().not_seen, 0U);
  expect_all_given_back();
}

TEST_F(HttpInspectingRetries, WhatTheyLetInIsLookedIntoOnce) {
  auto theirs = policy_of({looking_for(Message::request, Part::target, "noted", Action::log),
                           looking_for(Message::request, Part::body, "body", Action::log)},
                          "default/theirs");
  theirs.denies_unseen = true;
  publish_retrying({theirs});
  for (const std::string& asked :
       {post("/noted", "a body"), request("/noted", "Transfer-Encoding: chunked\r\n", "POST") + chunked("a body", 1)}) {
    const uint64_t noted = mesh.books().signatures_noted;
    EXPECT_EQ(ask_until(asked, 2, 2), kOkHeard);
    EXPECT_EQ(mesh.books().signatures_noted - noted, 2U);
  }
  EXPECT_EQ(mesh.books().not_seen, 0U);
  EXPECT_EQ(mesh.books().denied_requests, 0U);
  expect_all_given_back();
}

TEST_F(HttpInspecting, ATunnelHoldsNothingOfABodyThatIsNotOver) {
  constexpr std::string_view kSwitch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
  auto policy = policy_of({looking_for(Message::request, Part::body, "attack")});
  const std::string asked =
      request("/ws", "Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 20\r\n", "POST") + "0123";
  for (const bool denies_unseen : {false, true}) {
    policy.denies_unseen = denies_unseen;
    inspect({policy});
    const auto client = mesh.connect();
    mesh.say(client, asked);
    mesh.say(only_heard().id, kSwitch);
    EXPECT_THAT(mesh.hear_client(client), StartsWith(denies_unseen ? kDenied : "HTTP/1.1 101 "));
    EXPECT_FALSE(mesh.snapshot->services()[0].inspection->in_use()) << denies_unseen;
    EXPECT_EQ(mesh.books().not_seen, 1U);
    EXPECT_EQ(mesh.books().tunnels, 1U);
    mesh.reset(client);
  }
  expect_all_given_back();
}

TEST_F(HttpInspecting, AnExchangeKeepsThePoliciesThatItBeganWith) {
  inspect({looking_for(Message::request, Part::body, "attack")});
  const auto client = mesh.connect();
  const std::string whole = post("/", "an attack");
  mesh.say(client, std::string_view(whole).substr(0, whole.size() - 3));
  mesh.publish({http_service("default/web", 1, {1})});
  mesh.say(client, std::string_view(whole).substr(whole.size() - 3));
  EXPECT_THAT(mesh.hear_client(client), StartsWith(kDenied));
  expect_all_given_back();
}

lb::FaultBoard& board_beside_inspection() {
  static lb::FaultBoard the_one(1);
  return the_one;
}

class HttpInspectingAndFaulted : public HttpInspecting {
 protected:
  HttpInspectingAndFaulted() : HttpInspecting({.faults = &board_beside_inspection()}) {}
};

/// It is routed again when the delay is over.
TEST_F(HttpInspectingAndFaulted, ARequestThatIsDelayedIsLookedIntoOnce) {
  lb::Service web = inspecting(http_service("default/web", 1, {1}),
                               {policy_of({looking_for(Message::request, Part::target, "note", Action::log),
                                           looking_for(Message::request, Part::body, "note", Action::log)})});
  lb::Fault fault{.delay = lb::FaultDelay{300, 300}};
  fault.name = "default/slow";
  fault.id = 1;
  web.faults = std::make_shared<const lb::Faults>(lb::Faults{fault});
  mesh.publish({web});
  const auto client = mesh.connect();
  mesh.say(client, post("/note", "a note"));
  mesh.pass(std::chrono::milliseconds(320));
  mesh.say(only_heard().id, kOk);
  EXPECT_EQ(mesh.hear_client(client), kOkHeard);
  EXPECT_EQ(mesh.books().inspected, 2U) << "a request and a response";
  EXPECT_EQ(mesh.books().signatures_noted, 2U);
  EXPECT_EQ(web.inspection->found(0), 1U);
  EXPECT_EQ(web.inspection->found(1), 1U);
  mesh.reset(client);
  expect_all_given_back();
}

}  // namespace
}  // namespace weft::proxy
