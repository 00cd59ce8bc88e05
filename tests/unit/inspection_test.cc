// SPDX-License-Identifier: Apache-2.0
/// @file Signatures: what is refused, what is found in which part, and that cuts of a body make no difference, against
/// a slow reading of the same signatures.
#include "lb/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace weft::lb {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Message = Signature::Message;
using Part = Signature::Part;
using Action = Signature::Action;

Signature literal_signature(Part part, const std::string& text, Action action = Action::deny) {
  return {.name = text, .part = part, .text = text, .header = {}, .action = action};
}
Signature expression_signature(Part part, const std::string& text, bool ignores_case = false) {
  return {.name = text, .part = part, .text = text, .is_expression = true, .ignores_case = ignores_case, .header = {}};
}
Inspection inspection_of(std::vector<Signature> signatures, uint64_t body_bytes = 64 << 10) {
  std::vector<InspectionRules> rules(1);
  rules[0].policy = "default/p";
  rules[0].body_bytes = body_bytes;
  rules[0].signatures = std::move(signatures);
  return Inspection(std::move(rules), 1);
}
bool finds_target(const Inspection& inspection, std::string_view target) {
  Finding finding;
  inspection.begin(0);
  inspection.scan_target(0, target, finding);
  return finding.denied();
}
bool finds_field(const Inspection& inspection, std::string_view lines) {
  Finding finding;
  inspection.begin(0);
  inspection.scan_fields(0, Message::request, lines, finding);
  return finding.denied();
}
/// In a body that comes in parts of so many bytes each, the last one again and again.
Finding found_in_body(const Inspection& inspection, std::string_view body, std::vector<size_t> cuts,
                      bool is_form = false) {
  Finding finding;
  inspection.begin(0);
  auto stream = inspection.open_body(0, Message::request, is_form);
  EXPECT_TRUE(stream);
  for (size_t i = 0; !body.empty() && !finding.denied(); ++i) {
    const std::string part(body.substr(0, std::max<size_t>(cuts[std::min(i, cuts.size() - 1)], 1)));
    body.remove_prefix(part.size());
    inspection.scan_body(0, *stream, part, finding);
  }
  inspection.close_body(0, *stream);
  return finding;
}

TEST(Inspection, WhatIsAskedAboutIsFoundAsAWorkerDoesAndCountsNothing) {
  Signature agent = literal_signature(Part::header, "bad");
  agent.header = "user-agent";
  const Inspection inspection =
      inspection_of({literal_signature(Part::body, "x"), agent, literal_signature(Part::target, "../", Action::count),
                     literal_signature(Part::target, "etc")});
  using testing::ElementsAre;
  EXPECT_THAT(inspection.found_in("/%252e%252e/etc/", "Host: a\r\nUser-Agent: bad"), ElementsAre(3, 2, 1))
      << "the first form has one, the last another; then the fields";
  EXPECT_THAT(inspection.found_in("/x", "Host: bad"), IsEmpty());
  EXPECT_THAT(inspection_of({literal_signature(Part::body, "x")}).found_in("/x", "x: x"), IsEmpty());
  for (uint32_t i = 0; i < inspection.signatures(); ++i) {
    EXPECT_EQ(inspection.found(i), 0U);
  }
  EXPECT_TRUE(finds_target(inspection, "/etc"));
  EXPECT_EQ(inspection.found(3), 1U);
}

TEST(SignatureProblem, NamesWhatCantBeLookedFor) {
  struct Case {
    Signature signature;
    std::string says;
  };
  const std::vector<Case> cases = {
      {literal_signature(Part::body, ""), "empty"},
      {literal_signature(Part::body, std::string(1001, 'a')), "at most 1000"},
      {expression_signature(Part::target, "a(b"), "Missing close parenthesis for group started at index 1."},
      {expression_signature(Part::target, "a)|(?:b"), "index"},
      {expression_signature(Part::target, "a*"), "where there is nothing"},
      {expression_signature(Part::header, "(x|)"), "where there is nothing"},
      {expression_signature(Part::target, "((a{1,100}){1,100}){1,100}"), "written out"},
      {expression_signature(Part::target, std::string("a\0b", 3)), "NUL"},
      {expression_signature(Part::body, "secret$"), "a body's end"},
      {expression_signature(Part::body, "(?<=a)b"), "Zero-width assertions are not supported"},
      {expression_signature(Part::body, "(a)\\1"), "Back-references are unsupported"},
  };
  for (const Case& each : cases) {
    EXPECT_THAT(signature_problem(each.signature), HasSubstr(each.says)) << each.signature.text;
  }
  EXPECT_THAT(signature_problem(expression_signature(Part::target, "secret$")), IsEmpty());
  EXPECT_THAT(signature_problem(literal_signature(Part::body, "a(b\\$*")), IsEmpty());
}

TEST(Inspection, NamesTheSignatureAndThePolicyThatAreRefused) {
  try {
    inspection_of({literal_signature(Part::body, "fine"), expression_signature(Part::body, "[")});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("signature \"[\" of default/p: "));
  }
  EXPECT_THROW(
      inspection_of(std::vector<Signature>(Inspection::kMostSignatures + 1, literal_signature(Part::target, "x"))),
      std::invalid_argument);
}

TEST(Inspection, WhatTakesTooLongOrTooMuchIsRefused) {
  const auto refusal = [](int count, const std::string& gap) -> std::string {
    std::vector<Signature> many;
    for (int i = 0; i < count; ++i) {
      many.push_back(expression_signature(Part::body, "[a-f]" + std::to_string(i) + gap + "x" + std::to_string(i)));
    }
    try {
      inspection_of(std::move(many));
      return "taken";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  EXPECT_THAT(refusal(400, ".{1,900}"), HasSubstr("characters once their repetitions are written out"));
  EXPECT_EQ(refusal(20, ".{1,50}"), "taken");
}

TEST(Inspection, LiteralsAreBytes) {
  const Inspection inspection = inspection_of({literal_signature(Part::body, "a.c(\\$*\n\xff")});
  EXPECT_TRUE(found_in_body(inspection, "xxa.c(\\$*\n\xffxx", {100}).denied());
  EXPECT_FALSE(found_in_body(inspection, "xxabc(\\$*\n\xffxx", {100}).denied());
  EXPECT_FALSE(found_in_body(inspection, "xxA.c(\\$*\n\xffxx", {100}).denied());
}

TEST(Inspection, TargetsAreLookedAtInAllTheirForms) {
  const Inspection inspection =
      inspection_of({expression_signature(Part::target, "union\\s+select", true),
                     literal_signature(Part::target, "../"), literal_signature(Part::target, "%00")});
  for (const char* target :
       {"/?q=UNION%20Select", "/?q=union+select", "/?q=union%2520select", "/?q=un%69on%252520select", "/../x",
        "/%2e%2e/x", "/%2E%2e%2Fx", "/..%252fx", "/x%00.png"}) {
    EXPECT_TRUE(finds_target(inspection, target)) << target;
  }
  for (const char* target : {"/", "/?q=union%2selection", "/reunion%20of%20selectors", "/..x", "/100%"}) {
    EXPECT_FALSE(finds_target(inspection, target)) << target;
  }
}

TEST(Inspection, ASignatureCountsOnceATarget) {
  const Inspection inspection = inspection_of({literal_signature(Part::target, "x", Action::count)});
  EXPECT_FALSE(finds_target(inspection, "/x%20%2541x"));
  EXPECT_EQ(inspection.found(0), 1U);
  EXPECT_FALSE(finds_target(inspection, "/x"));
  EXPECT_EQ(inspection.found(0), 2U);
}

TEST(Inspection, FieldsAreLines) {
  Signature agent = literal_signature(Part::header, "sqlmap");
  agent.header = "user-agent";
  agent.ignores_case = true;
  const Inspection inspection = inspection_of(
      {agent, expression_signature(Part::header, "a.*z"), expression_signature(Part::header, "^x-evil:")});
  EXPECT_TRUE(finds_field(inspection, "Host: web\r\nUser-Agent: x SQLMap/1\r\nX: 1\r\n"));
  EXPECT_FALSE(finds_field(inspection, "Host: web\r\nX-User-Agent: sqlmap\r\nX: sqlmap\r\n"));
  EXPECT_FALSE(finds_field(inspection, "Host: web\r\nUser-Agent: x\r\nX: sqlmap\r\n"));
  EXPECT_TRUE(finds_field(inspection, "X: a to z\r\n"));
  EXPECT_FALSE(finds_field(inspection, "X: a\r\nY: z\r\n")) << "a dot does not go beyond a line";
  EXPECT_TRUE(finds_field(inspection, "Host: web\r\nx-evil: 1\r\n"));
  EXPECT_FALSE(finds_field(inspection, "Host: x-evil: 1\r\n"));
}

TEST(Inspection, WhatADryRunWouldDenyIsToldAndGoesOn) {
  std::vector<InspectionRules> rules(2);
  rules[0] = {.policy = "default/dry", .dry_run = true, .signatures = {literal_signature(Part::target, "a")}};
  rules[1] = {.policy = "default/real",
              .signatures = {literal_signature(Part::target, "b"), literal_signature(Part::target, "c", Action::log)}};
  const Inspection inspection(std::move(rules), 1);
  Finding finding;
  inspection.begin(0);
  inspection.scan_target(0, "/ac", finding);
  EXPECT_FALSE(finding.denied());
  EXPECT_EQ(inspection.name(finding.would_deny), "default/dry a");
  EXPECT_EQ(inspection.name(finding.logged), "default/real c");
  EXPECT_EQ(finding.found, 2U);
  inspection.begin(0);
  inspection.scan_target(0, "/abc", finding);
  EXPECT_EQ(inspection.name(finding.denied_by), "default/real b");
}

TEST(Inspection, ABodyIsSeenAsFarAsItsBound) {
  const Inspection inspection = inspection_of({literal_signature(Part::body, "evil")}, 10);
  for (const size_t cut : {1, 3, 9, 10, 11, 100}) {
    EXPECT_TRUE(found_in_body(inspection, "123456evil", {cut}).denied()) << cut;
    EXPECT_FALSE(found_in_body(inspection, "1234567evil", {cut}).denied()) << cut;
  }
  Finding finding;
  auto body = inspection.open_body(0, Message::request, false);
  EXPECT_TRUE(inspection.scan_body(0, *body, "1234567890", finding));
  EXPECT_FALSE(inspection.scan_body(0, *body, "1", finding));
  inspection.close_body(0, *body);
}

TEST(Inspection, FormsAreDecodedWhereverTheyAreCut) {
  const Inspection inspection = inspection_of({expression_signature(Part::body, "union\\s+select", true)});
  const std::string form = "a=1&b=1%27%20UNION%09%0aSELECT+x";
  EXPECT_FALSE(found_in_body(inspection, form, {100}, false).denied());
  for (size_t cut = 1; cut <= form.size(); ++cut) {
    EXPECT_TRUE(found_in_body(inspection, form, {cut}, true).denied()) << cut;
    EXPECT_TRUE(found_in_body(inspection, form, {cut, 1000}, true).denied()) << cut;
  }
  EXPECT_TRUE(found_in_body(inspection, std::string(5000, 'x') + form, {10000}, true).denied());
}

TEST(Inspection, WhenStreamsRunOutTheCallerIsTold) {
  const Inspection inspection = inspection_of({literal_signature(Part::body, "x")});
  std::vector<Inspection::Body> bodies;
  while (auto body = inspection.open_body(0, Message::request, false)) {
    bodies.push_back(*body);
  }
  EXPECT_EQ(bodies.size(), inspection.streams(Message::request));
  EXPECT_GE(bodies.size(), Inspection::kFewestStreams);
  EXPECT_TRUE(inspection.in_use());
  inspection.close_body(0, bodies.back());
  EXPECT_FALSE(inspection.open_body(0, Message::request, true)) << "a form takes two";
  bodies.back() = *inspection.open_body(0, Message::request, false);
  for (const Inspection::Body& body : bodies) {
    inspection.close_body(0, body);
  }
  EXPECT_FALSE(inspection.in_use());
}

TEST(Inspection, FindsWhatASlowReaderFindsHoweverABodyIsCut) {
  std::mt19937_64 random(7);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<std::string> atoms = {"a", "b", "ab", "[ab]", "c", ".", "(ab|c)", "a{2,3}", "b+", "c?", "[^a]"};
  size_t found = 0;
  size_t not_found = 0;
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (size_t n = 1 + below(4); n > 0; --n) {
      text += atoms[below(atoms.size())];
    }
    const bool is_expression = below(2) == 0;
    Signature signature =
        is_expression ? expression_signature(Part::body, text, below(2) == 0) : literal_signature(Part::body, text);
    if (!signature_problem(signature).empty()) {
      continue;  // it may match nothing
    }
    const Inspection inspection = inspection_of({signature});
    const auto flags = std::regex::ECMAScript | (signature.ignores_case ? std::regex::icase : std::regex::ECMAScript);
    const std::regex slow(is_expression ? text : "", flags);
    for (int i = 0; i < 20; ++i) {
      std::string body;
      for (size_t n = below(14); n > 0; --n) {
        body += is_expression ? "abcABx"[below(6)] : "abc.([|){23,}+?]^"[below(17)];
      }
      body = is_expression || below(2) == 0 ? body : body + text + body;
      const bool expected = is_expression ? std::regex_search(body, slow) : body.find(text) != std::string::npos;
      std::vector<size_t> cuts;
      for (size_t n = 1 + below(6); n > 0; --n) {
        cuts.push_back(1 + below(5));
      }
      EXPECT_EQ(found_in_body(inspection, body, cuts).denied(), expected) << text << " in " << body;
      ++(expected ? found : not_found);
    }
  }
  EXPECT_GT(found, 500U);
  EXPECT_GT(not_found, 500U);
}

}  // namespace
}  // namespace weft::lb
