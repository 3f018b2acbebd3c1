"""What a program is: typed facts over the compiled core. States facts, judges nothing."""
