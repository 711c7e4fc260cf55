// What was found, in order and bounded, and written out as the verdict.
#pragma once

#include "json.h"
#include "settings.h"

class Report {
 public:
  explicit Report(const Settings &settings) : settings_(settings) {}

  // runsc would refuse it.
  void violation(Text code, const Node &at, Text message, Text fix) { violations_.add(code, at, message, fix); }
  // runsc would take it otherwise than it reads.
  void warning(Text code, const Node &at, Text message, Text fix) { warnings_.add(code, at, message, fix); }
  // The settings say what it is.
  void trait(Trait trait, const Node &at, Text message, Text fix);

  std::string verdict() const;

 private:
  class Findings {
   public:
    void add(Text code, const Node &at, Text message, Text fix);
    std::string json() const;

   private:
    std::string listed_;
    unsigned count_ = 0, unlisted_ = 0;
  };

  const Settings &settings_;
  Findings violations_, warnings_;
};
