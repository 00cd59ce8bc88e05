// SPDX-License-Identifier: Apache-2.0
#include "lb/expressions.h"

#include <hs/hs.h>

#include <algorithm>
#include <cassert>
#include <new>
#include <stdexcept>

#include "lb/expression_size.h"

namespace weft::lb {
namespace {

/// A dot is any byte, as values are bytes; one report for each is enough; and what matches nothing at all may match.
constexpr unsigned kFlags = HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;

/// 32 of these, nested repetitions of all sorts, were compiled in 0.1 s at most each; some that are larger take most of
/// a minute, and are then refused as too large.
constexpr size_t kMostExpanded = 1000;

[[noreturn]] void refuse(const Expressions::Expression& expression, const hs_compile_error_t* error) {
  throw std::invalid_argument("regular expression \"" + expression.text + "\" of " + expression.owner + ": " +
                              error->message);
}

/// By itself: "a)|(?:b" would be a well-formed expression between the anchors, and another one.
void check(const Expressions::Expression& expression) {
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  if (expression.text.find('\0') != std::string::npos) {
    throw std::invalid_argument("a regular expression of " + expression.owner + " has a NUL in it");
  }
  if (const size_t expanded = expression_size(expression.text); expanded > kMostExpanded) {
    throw std::invalid_argument("regular expression \"" + expression.text + "\" of " + expression.owner +
                                ": it comes to " + std::to_string(expanded) +
                                " characters once its repetitions are written out: expected at most " +
                                std::to_string(kMostExpanded));
  }
  if (hs_expression_info(expression.text.c_str(), kFlags, &info, &error) != HS_SUCCESS) {
    const std::unique_ptr<hs_compile_error_t, decltype(&hs_free_compile_error)> freed(error, hs_free_compile_error);
    refuse(expression, error);
  }
  free(info);  // NOLINT: allocated by malloc(), as hs_expression_info() says
}

struct Found {
  uint32_t* matches;
  size_t count;
};

int note(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {  // NOLINT: Hyperscan's types
  auto* found = static_cast<Found*>(context);
  found->matches[found->count++] = id;
  return 0;
}

}  // namespace

void DeleteMatcher::operator()(hs_database* database) const {
  hs_free_database(database);
}

void DeleteMatcher::operator()(hs_scratch* scratch) const {
  hs_free_scratch(scratch);
}

Expressions::Expressions(std::vector<Expression> expressions) : expressions_(std::move(expressions)) {
  if (expressions_.empty()) {
    return;
  }
  std::vector<std::string> anchored;
  std::vector<const char*> texts;
  std::vector<unsigned> ids;
  anchored.reserve(size());
  for (const Expression& expression : expressions_) {
    check(expression);
    anchored.push_back("\\A(?:" + expression.text + ")\\z");
    texts.push_back(anchored.back().c_str());
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  const std::vector<unsigned> flags(size(), kFlags);
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(size()), HS_MODE_BLOCK, nullptr,
                       &database, &error) != HS_SUCCESS) {
    const std::unique_ptr<hs_compile_error_t, decltype(&hs_free_compile_error)> freed(error, hs_free_compile_error);
    if (error->expression >= 0) {
      refuse(expressions_[static_cast<size_t>(error->expression)], error);
    }
    throw std::invalid_argument("regular expressions from that of " + expressions_.front().owner +
                                " on: " + error->message);
  }
  database_.reset(database);
}

bool Expressions::same_as(const std::vector<Expression>& expressions) const {
  return std::equal(expressions_.begin(), expressions_.end(), expressions.begin(), expressions.end(),
                    [](const Expression& a, const Expression& b) { return a.text == b.text; });
}

void fit(MatcherScratch& scratch, const hs_database* database) {
  if (database == nullptr) {
    return;
  }
  hs_scratch_t* grown = scratch.release();
  const hs_error_t result = hs_alloc_scratch(database, &grown);
  scratch.reset(grown);
  if (result == HS_NOMEM) {
    throw std::bad_alloc();
  }
  assert(result == HS_SUCCESS);
}

void Expressions::prepare(MatcherScratch& scratch) const {
  fit(scratch, database_.get());
}

size_t Expressions::scan(std::string_view text, hs_scratch* scratch, uint32_t* matches) const {
  if (database_ == nullptr) {
    return 0;
  }
  Found found{.matches = matches, .count = 0};
  // Of an empty text Hyperscan wants a pointer too.
  const char* data = text.data() == nullptr ? "" : text.data();
  [[maybe_unused]] const hs_error_t result =
      hs_scan(database_.get(), data, static_cast<unsigned>(text.size()), 0, scratch, note, &found);
  assert(result == HS_SUCCESS);
  return found.count;
}

size_t Expressions::memory_bytes() const {
  size_t bytes = 0;
  if (database_ != nullptr) {
    hs_database_size(database_.get(), &bytes);
  }
  for (const Expression& expression : expressions_) {
    bytes += sizeof expression + expression.text.capacity() + expression.owner.capacity();
  }
  return bytes;
}

size_t Expressions::scratch_bytes(const MatcherScratch& scratch) {
  size_t bytes = 0;
  if (scratch != nullptr) {
    hs_scratch_size(scratch.get(), &bytes);
  }
  return bytes;
}

}  // namespace weft::lb
