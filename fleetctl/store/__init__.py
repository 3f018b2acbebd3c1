"""The only SQL: tables, one repository per aggregate, migrations, blobs, and the writer and readers."""
