// SPDX-License-Identifier: Apache-2.0
#include "lb/signature_database.h"

#include <hs/hs.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "lb/expression_size.h"

namespace weft::lb {
namespace {

using CompileError = std::unique_ptr<hs_compile_error_t, decltype(&hs_free_compile_error)>;

constexpr size_t kMostExpandedSignature = 1000;  ///< as expressions.cc has it, and why

unsigned flags_of(Signature::Part part) {
  return HS_FLAG_SINGLEMATCH | (part == Signature::Part::header ? HS_FLAG_MULTILINE : HS_FLAG_DOTALL);
}

std::string escaped_bytes(std::string_view text) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    escaped += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
  }
  return escaped;
}

/// As Hyperscan gets it.
std::string expression_of(const Signature& signature) {
  const std::string text = signature.is_expression ? signature.text : escaped_bytes(signature.text);
  const std::string grouped = (signature.ignores_case ? "(?i:" : "(?:") + text + ")";
  return signature.header.empty() ? grouped : "^(?i:" + escaped_bytes(signature.header) + "):[^\\r\\n]*" + grouped;
}

int tell(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {  // NOLINT: Hyperscan's types
  const auto& [found, theirs] = *static_cast<std::pair<SignatureFound, void*>*>(context);
  return found(id, theirs) ? 1 : 0;
}

std::string info_problem(const std::string& expression, Signature::Part part) {
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_expression_info(expression.c_str(), flags_of(part) | HS_FLAG_ALLOWEMPTY, &info, &error) != HS_SUCCESS) {
    const CompileError freed(error, hs_free_compile_error);
    return error->message;
  }
  const bool is_empty = info->min_width == 0;
  const bool at_end = info->matches_at_eod != 0;
  free(info);  // NOLINT: allocated by malloc(), as hs_expression_info() says
  if (is_empty) {
    return "it matches where there is nothing, so it would be found in every message";
  }
  return at_end && part == Signature::Part::body ? "it asks for a body's end, which is not known while it goes by: "
                                                   "expected no $, \\z, \\Z, nor \\b at its end"
                                                 : "";
}

}  // namespace

std::string signature_problem(const Signature& signature) {
  if (signature.text.empty()) {
    return "it is empty";
  }
  if (!signature.is_expression) {
    return signature.text.size() > kMostExpandedSignature
               ? "it has " + std::to_string(signature.text.size()) + " bytes: expected at most " +
                     std::to_string(kMostExpandedSignature)
               : "";
  }
  if (signature.text.find('\0') != std::string::npos) {
    return "it has a NUL in it; \\x00 is one";
  }
  if (const size_t expanded = expression_size(signature.text); expanded > kMostExpandedSignature) {
    return "it comes to " + std::to_string(expanded) +
           " characters once its repetitions are written out: expected at "
           "most " +
           std::to_string(kMostExpandedSignature);
  }
  // By itself first: "a)|(?:b" would be a well-formed expression in the group, and another one.
  std::string problem = info_problem(signature.text, signature.part);
  return problem.empty() ? info_problem(expression_of(signature), signature.part) : problem;
}

SignatureDatabase::SignatureDatabase(const std::vector<Entry>& entries, Signature::Part part) {
  if (entries.empty()) {
    return;
  }
  std::vector<std::string> expressions;
  std::vector<const char*> texts;
  std::vector<unsigned> ids;
  expressions.reserve(entries.size());
  for (const Entry& entry : entries) {
    expressions.push_back(expression_of(*entry.signature));
    texts.push_back(expressions.back().c_str());
    ids.push_back(entry.number);
  }
  const std::vector<unsigned> flags(entries.size(), flags_of(part));
  const unsigned mode = part == Signature::Part::body ? HS_MODE_STREAM : HS_MODE_BLOCK;
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(entries.size()), mode, nullptr,
                       &database, &error) != HS_SUCCESS) {
    const CompileError freed(error, hs_free_compile_error);
    const size_t at = error->expression < 0 ? entries.size() : static_cast<size_t>(error->expression);
    throw std::invalid_argument(
        (at < entries.size() ? "signature \"" + entries[at].signature->name + "\": " : "signatures: ") +
        error->message);
  }
  database_.reset(database);
  if (const size_t bytes = memory_bytes(); bytes > kMostBytes) {
    throw std::invalid_argument("signatures take " + std::to_string(bytes) +
                                " bytes once they are compiled: expected "
                                "at most " +
                                std::to_string(kMostBytes));
  }
  if (const size_t bytes = stream_bytes(); bytes > kMostStreamBytes) {
    throw std::invalid_argument("signatures of bodies take " + std::to_string(bytes) +
                                " bytes of each body that is looked at: expected at most " +
                                std::to_string(kMostStreamBytes));
  }
}

void SignatureDatabase::prepare(MatcherScratch& scratch) const {
  fit(scratch, database_.get());
}

void SignatureDatabase::scan(std::string_view text, hs_scratch* scratch, SignatureFound found, void* context) const {
  std::pair<SignatureFound, void*> told{found, context};
  const char* const data = text.data() == nullptr ? "" : text.data();
  [[maybe_unused]] const hs_error_t result =
      hs_scan(database_.get(), data, static_cast<unsigned>(text.size()), 0, scratch, tell, &told);
  assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
}

size_t SignatureDatabase::memory_bytes() const {
  size_t bytes = 0;
  if (database_ != nullptr) {
    hs_database_size(database_.get(), &bytes);
  }
  return bytes;
}

size_t SignatureDatabase::stream_bytes() const {
  size_t bytes = 0;
  if (database_ != nullptr && hs_stream_size(database_.get(), &bytes) != HS_SUCCESS) {
    return 0;
  }
  return bytes;
}

SignatureStreams::SignatureStreams(const SignatureDatabase& database, uint32_t count) {
  if (database.empty()) {
    return;
  }
  streams_.reserve(count);
  free_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    hs_stream_t* stream = nullptr;
    if (hs_open_stream(database.database_.get(), 0, &stream) != HS_SUCCESS) {
      break;  // with fewer
    }
    free_.push_back(i);
    streams_.push_back(stream);
  }
}

SignatureStreams::~SignatureStreams() {
  for (hs_stream* stream : streams_) {
    hs_close_stream(stream, nullptr, nullptr, nullptr);  // without a callback it needs no scratch
  }
}

uint32_t SignatureStreams::take(hs_scratch* scratch) {
  if (free_.empty()) {
    return kNone;
  }
  const uint32_t stream = free_.back();
  free_.pop_back();
  // Without a callback what would be found at the end of the last text is not looked for.
  [[maybe_unused]] const hs_error_t result = hs_reset_stream(streams_[stream], 0, scratch, nullptr, nullptr);
  assert(result == HS_SUCCESS);
  return stream;
}

void SignatureStreams::scan(uint32_t stream, std::string_view text, hs_scratch* scratch, SignatureFound found,
                            void* context) {
  std::pair<SignatureFound, void*> told{found, context};
  [[maybe_unused]] const hs_error_t result =
      hs_scan_stream(streams_[stream], text.data(), static_cast<unsigned>(text.size()), 0, scratch, tell, &told);
  assert(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
}

}  // namespace weft::lb
